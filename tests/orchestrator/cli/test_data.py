"""`orch data` as a user sees it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sklearn.datasets import load_digits

from orchestrator.cli import run
from orchestrator.cli.data import command
from orchestrator.errors import UserError
from orchestrator.plan.data_card import read_level
from trainables.datasets.image_folder import ImageFolder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ORCH_DATA", raising=False)


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Images of one grey value: 8 owls and 4 crows to train on, 2 and 2 to test; some are equal."""
    root = tmp_path / "data" / "birds"
    values = {
        "train/crow": [10, 20, 30, 10],
        "train/owl": [110, 120, 130, 140, 150, 160, 170, 30],
        "test/crow": [20, 50],
        "test/owl": [180, 190],
    }
    for folder, greys in values.items():
        (root / folder).mkdir(parents=True)
        for number, grey in enumerate(greys):
            Image.fromarray(np.full((5, 6), grey, np.uint8)).save(root / folder / f"{number}.png")
    return root


def data(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_card_of_digits_is_what_scikit_learn_holds() -> None:
    pixels, labels = load_digits(return_X_y=True)
    card = json.loads(data("digits", "--json").stdout)
    (split,) = card["splits"]
    assert (card["name"], split["name"], split["examples"]) == ("digits", "all", 1797)
    assert split["classes"] == np.bincount(labels).tolist()
    assert split["mean"] == pytest.approx([np.round(pixels * 255 / 16).mean() / 255])
    assert split["std"] == pytest.approx([np.round(pixels * 255 / 16).std() / 255])
    assert split["repeated"] == 1797 - len(np.unique(pixels, axis=0))
    assert card["imbalance"] == pytest.approx(183 / 174)
    assert "CC BY 4.0" in card["licence"] and "Alpaydin" in card["source"]
    assert card["targets"] == [] and card["shape"] == [1, 8, 8]


def test_a_folder_is_a_data_set_by_its_path(birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_level = data(f"{{name: image_folder, path: {birds}}}", "--json").stdout
    assert data(birds, "--json").stdout == by_level
    assert data("birds", "--data", birds.parent, "--json").stdout == by_level
    monkeypatch.chdir(birds.parent)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("birds", "./birds", "birds/", "../data/birds", "~/data/birds"):
        assert data(path, "--json").stdout == by_level


def test_a_folder_of_any_name_is_one_and_goes_behind_a_data_sets_own_name(
    birds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(birds.parent)
    for name in ("{name: digits", "a\nb: *c", "$(touch x)", "digits"):
        birds.rename(birds.parent / name)
        card = json.loads(data(name, "--json").stdout)
        assert card["examples"] == (1797 if name == "digits" else 16)
        (birds.parent / name).rename(birds)
    birds.rename(birds.parent / "digits")
    assert json.loads(data("./digits", "--json").stdout)["examples"] == 16
    assert [path.name for path in birds.parent.iterdir()] == ["digits"]


def test_duplicates_within_and_across_splits_are_counted_and_named(birds: Path) -> None:
    level = f"{{name: image_folder, path: {birds}}}"
    card = json.loads(data(level, "--json").stdout)
    train, test = card["splits"]
    assert (train["examples"], test["examples"]) == (12, 4)
    assert (train["classes"], test["classes"]) == ([4, 8], [2, 2])
    assert (train["repeated"], test["repeated"]) == (2, 0)
    assert card["shared"] == 1  # the crow of 20
    assert card["contradictions"] == 1  # 30 is a crow and an owl
    pairs = [(pair["first"], pair["second"], pair["second_split"], pair["same_target"]) for pair in card["duplicates"]]
    assert pairs == [(0, 3, "train", True), (2, 11, "train", False), (1, 12, "test", True)]
    assert card["imbalance"] == pytest.approx(10 / 6)


def test_the_text_tells_the_same(birds: Path) -> None:
    done = data(f"{{name: image_folder, path: {birds}}}")
    assert done.exit_code == 0, done.output
    assert "image_folder: 16 examples of 1 x 5 x 6, 2 classes, classification" in done.stdout
    assert "duplicates: 2 within a split, 1 of train also in test" in done.stdout
    assert "the user's own" in done.stdout
    assert any(line.split() == ["owl", "8", "2"] for line in done.stdout.splitlines())


def test_labels_of_a_csv_file_are_read_and_the_columns_are_told(birds: Path) -> None:
    table = birds.parent / "labels.csv"
    lines = [f"{path.relative_to(birds)};{path.parent.name}" for path in sorted(birds.glob("train/*/*.png"))]
    table.write_text("\n".join(["file;kind", *lines]))
    done = data("{name: image_csv, path: labels.csv, images: birds}", "--data", birds.parent)
    assert done.exit_code == 0, done.output
    assert "image_csv: 12 examples of 1 x 5 x 6, 2 classes, classification" in done.stdout
    read_as = next(line for line in done.stdout.splitlines() if line.startswith("read as: "))
    assert read_as.endswith(f"path={table}, images={birds}, image=file, label=kind")
    table.write_text(table.read_text() + "\n../x.png;owl\ntest/owl/0.png;")
    refused = data("{name: image_csv, path: labels.csv, images: birds}", "--data", birds.parent)
    assert isinstance(refused.exception, UserError)
    assert str(refused.exception).splitlines() == [
        f"{table}:15: there is no label; give one, or remove the line",
        f"{table}:14: ../x.png: it leads out of {birds}, and images are read only below that",
    ]


def test_a_file_is_a_data_set_by_its_path(birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = sorted(birds.glob("train/*/*.png"))
    table = birds.parent / "labels.csv"
    table.write_text(
        "\n".join(["image,label", *(f"birds/{each.relative_to(birds)},{each.parent.name}" for each in images)])
    )
    stored = {"image": [each.read_bytes() for each in images], "label": [each.parent.name for each in images]}
    pq.write_table(pa.table(stored), birds.parent / "birds.parquet")
    monkeypatch.chdir(birds.parent)
    for name, path in (("image_csv", "labels.csv"), ("image_csv", str(table)), ("image_parquet", "./birds.parquet")):
        done = data(path)
        assert done.exit_code == 0, done.output
        assert f"{name}: 12 examples of 1 x 5 x 6, 2 classes, classification" in done.stdout


@pytest.mark.parametrize("option", ["--html", "-o"])
def test_the_page_holds_everything_and_needs_nothing_else(birds: Path, tmp_path: Path, option: str) -> None:
    page = tmp_path / "birds.html"
    done = data("{name: image_folder, path: birds}", "--data", birds.parent, option, page)
    assert done.exit_code == 0, done.output
    assert f"wrote {page}" in done.stderr and "wrote" not in done.stdout
    text = page.read_text()
    assert text.count("<img ") == 6 + 8
    assert "http:" not in text and "https:" not in text and "<script" not in text
    assert "1 content has more than one target" in text
    assert "width: 60.00%" in text  # 6 crows of 10 owls


def test_names_of_a_users_folders_are_text_on_the_page(tmp_path: Path) -> None:
    for number, name in enumerate(("<script>alert(1)</script>".replace("/", "_"), "b & c", "d")):
        (tmp_path / "odd" / name).mkdir(parents=True)
        Image.fromarray(np.full((5, 6), number, np.uint8)).save(tmp_path / "odd" / name / "x.png")
    page = tmp_path / "odd.html"
    assert data("{name: image_folder, path: odd}", "--data", tmp_path, "-o", page).exit_code == 0
    assert "<script" not in page.read_text() and "b &amp; c" in page.read_text()


def test_names_of_a_users_folders_neither_break_lines_nor_steer_the_terminal(tmp_path: Path) -> None:
    for number, name in enumerate(("a\nb", "c\x1b[31m")):
        (tmp_path / "odd" / name).mkdir(parents=True)
        Image.fromarray(np.full((5, 6), number, np.uint8)).save(tmp_path / "odd" / name / "x.png")
    shown = data("{name: image_folder, path: odd}", "--data", tmp_path).stdout
    assert r"a\nb" in shown and r"c\x1b[31m" in shown and "\x1b" not in shown


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("digit", "unknown dataset 'digit'; did you mean digits?"),
        ("Fashion-MNIST", "unknown dataset 'Fashion-MNIST'; did you mean fashion_mnist?"),
        ("./nowhere", "./nowhere is not there; a data set is a folder with one folder of images for each class"),
        ("/etc/passwd", "/etc/passwd is a file of another kind; a data set is"),
        ("~nobody-of-that-name/x", "is not a data set"),
        ("/" + 5000 * "x", "is not a data set"),
        (".", "has no class folders"),
        ("\udcff", "is not a data set"),
        ("{name: image_folder}", "image_folder needs path"),
        ("{name: image_folder, path: x, colour: 3}", "unknown parameter of image_folder 'colour'"),
        ("{name: image_folder, path: [a, b]}", "means 2 data sets, one for each value of a list; name one"),
        ("[digits, mnist]", "is not one data set; give a name, or a mapping"),
        ("", "is not one data set; give a name, or a mapping"),
        ("{name: digits", "not valid YAML"),
        ("digits\nmodel: mlp", "is not one data set"),
        ("{name: image_folder, path: nowhere}", "nowhere is not there; looked for"),
        ("mnist", "mnist was not found"),
    ],
)
def test_what_cannot_be_shown_is_the_users_error(
    level: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert run(["data", level]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and message in shown.err and "Traceback" not in shown.err


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    (tmp_path / "data").mkdir()
    done = data("cifar10", "--data", tmp_path / "data")
    assert isinstance(done.exception, UserError) and "cifar10 was not found" in str(done.exception)


@pytest.mark.parametrize("page", ["no/x.html", "file/x.html"])
def test_a_page_that_cannot_be_written_is_the_users_error(tmp_path: Path, page: str) -> None:
    (tmp_path / "file").write_text("")
    done = data("digits", "-o", tmp_path / page)
    assert isinstance(done.exception, UserError) and "choose another place" in str(done.exception)


def test_a_level_is_read_as_a_grid_reads_it() -> None:
    assert read_level("{name: image_folder, path: birds, size: [4, 6]}") == ImageFolder(path="birds", size=(4, 6))


def test_the_options_of_the_command_are_these() -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert options == {"dataset", "--data", "--html", "-o", "--all", "--json"}
