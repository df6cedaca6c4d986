"""What is wrong with a user's images is reported at once, before anything runs, or named as not looked at."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from orchestrator.cli.data import command as data_command
from orchestrator.errors import GridError, UserError
from orchestrator.plan.data_card import look_at
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.preview import Preview, preview
from orchestrator.sweep.run import SweepRequest, run_sweep

GRID = """\
name: birds
axes:
  dataset: [{name: NAME, path: birds}]
  model: [{name: mlp, hidden: 4}]
  optimizer: [sgd]
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ORCH_DATA", raising=False)
    return tmp_path


def grid(parameters: str = "", name: str = "image_folder") -> Path:
    Path("grid.yaml").write_text(GRID.replace("path: birds", f"path: birds{parameters}").replace("NAME", name))
    return Path("grid.yaml")


def paint(folder: str, *values: int) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for value in values:
        Image.linear_gradient("L").resize((16, 16)).point([value] * 128 + list(range(128))).save(
            f"{folder}/{value}.png"
        )


def cut(path: str) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])


def planned(parameters: str = "", name: str = "image_folder") -> Preview:
    return preview(grid(parameters, name))


def problems(parameters: str = "", sweep: bool = False) -> list[str]:
    with pytest.raises(GridError) as wrong:
        if sweep:
            run_sweep(SweepRequest(grid=grid(parameters), engine="inline"), SilentProgress())
        else:
            planned(parameters)
    assert {(problem.line, problem.file) for problem in wrong.value.problems} == {(3, "grid.yaml")}
    return [problem.message for problem in wrong.value.problems]


@pytest.fixture
def birds() -> None:
    paint("birds/owl", *range(8))
    paint("birds/crow", *range(10, 18))


WHOLE = ", size: 16, channels: 1"
"""With these no header is read to plan."""


@pytest.mark.parametrize("parameters", ["", WHOLE], ids=["headers", "no headers"])
@pytest.mark.parametrize("sweep", [False, True], ids=["plan", "sweep"])
def test_everything_that_is_wrong_is_reported_in_one_round(birds: None, parameters: str, sweep: bool) -> None:
    paint("birds/wren", 20)
    paint("birds/gone", 30, 31)
    paint("birds/lone", 40, 41)
    for path in ("gone/30", "gone/31", "lone/40", "owl/1"):
        cut(f"birds/{path}.png")
    Path("birds/crow/10.png").write_bytes(b"")
    Path("birds/empty").mkdir()
    message = "\n".join(problems(parameters, sweep))
    for name in ("gone/30", "gone/31", "lone/40", "owl/1", "crow/10"):
        assert f"birds/{name}.png" in message
    assert "no images in the class folder empty" in message
    assert "no image of the class gone can be read" in message and "class empty can" not in message
    for name in ("wren", "lone"):
        assert f"the class {name} has one image" in message
    assert "size" not in message


def test_what_plan_has_not_looked_at_is_named_and_orch_data_looks(birds: None) -> None:
    cut("birds/owl/1.png")
    seen = planned(WHOLE)
    assert seen.unread == ("image_folder(channels=1,path=birds,size=16-16)",)
    (message,) = problems(WHOLE, sweep=True)
    assert "owl/1.png: " in message
    with pytest.raises(UserError, match=r"owl/1\.png"):
        look_at("{name: image_folder, path: birds}", None, of_each=0, max_classes=0, whole=True)
    Path("birds/owl/1.png").unlink()
    look_at("{name: image_folder, path: birds, size: 16, channels: 1}", None, of_each=0, max_classes=0, whole=True)
    assert planned(WHOLE).unread == ()


def test_copies_that_leave_a_class_one_image_are_found_once_they_have_been_read(birds: None) -> None:
    paint("birds/wren", 20)
    Path("birds/wren/copy.png").write_bytes(Path("birds/wren/20.png").read_bytes())
    assert planned().unread
    (message,) = problems(sweep=True)
    assert "the class wren has one image" in message
    assert problems() == [message]
    with pytest.raises(UserError, match="the class wren has one image"):
        look_at("{name: image_folder, path: birds}", None, of_each=0, max_classes=0, whole=True)
    look_at("{name: image_folder, path: birds}", None, of_each=0, max_classes=0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (", folds: 30", "folds is 30, and there are 16 different examples"),
        (", groups: people.csv, folds: 5", "folds is 5, and there are 2 groups"),
        (", groups: people.csv", "too few groups"),
        (", per_class: 9", "9"),
    ],
)
def test_splits_that_names_and_labels_rule_out_are_found_by_plan(birds: None, parameters: str, message: str) -> None:
    files = sorted(path.relative_to("birds") for path in Path("birds").rglob("*.png"))
    Path("people.csv").write_text("\n".join(["path,group", *(f"{file},{file.parent}" for file in files)]))
    assert message in "\n".join(problems(parameters))


def test_a_test_split_that_holds_a_class_alone_is_found_by_plan(birds: None) -> None:
    for number, split in ((0, "train"), (4, "test")):
        paint(f"birds/{split}/owl", *range(number, number + 4))
        paint(f"birds/{split}/crow", *range(10 + number, 14 + number))
    for name in ("owl", "crow"):
        for file in Path(f"birds/{name}").iterdir():
            file.unlink()
        Path(f"birds/{name}").rmdir()
    paint("birds/test/wren", 30)
    assert "no images to learn from in the class folder wren" in "\n".join(problems())


@pytest.mark.parametrize("name", ["imagenet", "image_folder"])
def test_reading_all_finds_what_is_broken_of_a_streamed_set_too(birds: None, name: str) -> None:
    cut("birds/owl/1.png")
    cut("birds/crow/11.png")
    answer = CliRunner().invoke(data_command, [f"{{name: {name}, path: birds, size: 16}}", "--all"])
    assert isinstance(answer.exception, UserError)
    assert "owl/1.png" in str(answer.exception) and "crow/11.png" in str(answer.exception)


def test_rows_of_tables_are_reported_at_once_too() -> None:
    paint("images", *range(9))
    rows = [path.read_bytes() for path in sorted(Path("images").iterdir())]
    rows[1], rows[2] = rows[1][:60], b""
    Path("birds").mkdir()
    pq.write_table(pa.table({"image": rows, "label": list("aaabbbbbc")}), "birds/t.parquet")
    with pytest.raises(GridError) as wrong:
        planned(name="image_parquet")
    message = str(wrong.value)
    assert "t.parquet#1" in message and "t.parquet#2" in message
    assert "the class a has one image" in message and "the class c has one image" in message


OTHERS = ["0.HEIC", "1.HEIC", "2.psd", "3.dcm", "4.jpg.part", "scan", "Thumbs.db", ".hidden.png", "desktop.ini"]


def test_files_that_are_not_read_are_counted_by_ending_and_told_once(birds: None) -> None:
    for name in OTHERS:
        Path(f"birds/owl/{name}").write_bytes(b"")
    Path("birds/owl/0.png").rename("birds/owl/0.PNG")
    paint("birds", 99)
    (warning,) = planned().warnings
    assert (warning.line, warning.file) == (3, "grid.yaml")
    message = "2 .heic, 1 .dcm, 1 .part, 1 .png outside of class folders, 1 .psd and 1 of other kinds (such as "
    assert message in warning.message
    notes: list[str] = []

    class Heard(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    run_sweep(SweepRequest(grid=grid(), engine="inline"), Heard())
    assert [note for note in notes if ".heic" in note] == [f"warning: {warning}"]
    card = json.loads(CliRunner().invoke(data_command, ["{name: image_folder, path: birds}", "--json"]).stdout)
    counts = {left["what"]: left["files"] for left in card["left_out"]}
    assert counts == {".heic": 2, ".dcm": 1, ".part": 1, ".psd": 1, "no ending": 1, ".png outside of class folders": 1}
    text = CliRunner().invoke(data_command, ["{name: image_folder, path: birds}"]).stdout
    assert "not read as data: 2 .heic, such as" in text


def test_nothing_is_said_where_everything_is_read(birds: None) -> None:
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini"):
        Path(f"birds/owl/{name}").write_bytes(b"")
    assert planned().warnings == ()


def test_half_a_download_and_tables_beside_are_reported(birds: None) -> None:
    rows = [path.read_bytes() for path in sorted(Path("birds").rglob("*.png"))]
    table = pa.table({"image": rows, "label": [index % 2 for index in range(len(rows))]})
    for path in ("hub/train", "hub/backup/train"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, f"{path}.parquet")
    Path("hub/train-2.parquet.part").write_bytes(b"PAR1")
    Path("grid.yaml").write_text(GRID.replace("path: birds", "path: hub").replace("NAME", "image_parquet"))
    (warning,) = preview(Path("grid.yaml")).warnings
    assert "1 .parquet in a folder beside, 1 .part (such as" in warning.message


def test_clips_are_reported_at_once_too() -> None:
    for number in range(6):
        paint(f"birds/owl/clip{number}", 2 * number, 2 * number + 1)
    paint("birds/crow/clip0", 30, 31)
    paint("birds/wren/clip0", 40, 41)
    paint("birds/wren/clip1", 42, 43)
    cut("birds/wren/clip1/42.png")
    Path("birds/owl/clip3/6.png").write_bytes(b"")
    with pytest.raises(GridError) as wrong:
        planned(", frames: 2", name="clip_folder")
    message = str(wrong.value)
    assert "owl/clip3/6.png" in message and "wren/clip1/42.png" in message
    for name in ("crow", "wren"):
        assert f"the class {name} has one image" in message
