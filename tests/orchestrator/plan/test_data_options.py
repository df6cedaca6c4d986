"""Options of data sets in a grid: what is skipped with a reason, and what is an error with its line."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from orchestrator.cli import list as list_
from orchestrator.errors import GridError
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import prepare_data
from orchestrator.plan.progress import SilentProgress
from trainables.dataset import DataLocation


def plan(folder: Path, dataset: str, model: str = "mlp", rest: str = "") -> Plan:
    path = folder / "grid.yaml"
    path.write_text(f"name: demo\naxes:\n  dataset:\n{dataset}\n  model: {model}\n  optimizer: sgd\n{rest}\n")
    return Plan(read_grid(path), DataLocation(data=None, beside=folder, cache=folder / "cache"))


def prepared(planned: Plan, folder: Path) -> dict[str, int]:
    return prepare_data(planned, DataLocation(data=None, beside=folder, cache=folder / "cache"), SilentProgress())


def test_each_value_of_an_option_is_a_level(tmp_path: Path) -> None:
    planned = plan(tmp_path, "    - {name: digits, per_class: [5, 20], resize: [[4, 4], [8, 8]]}\n    - digits")
    assert [cell.dataset.label for cell in planned.cells()] == [
        "digits(per_class=5,resize=4-4)",
        "digits(per_class=5,resize=8-8)",
        "digits(per_class=20,resize=4-4)",
        "digits(per_class=20,resize=8-8)",
        "digits",
    ]
    assert len({cell.cell_id for cell in planned.cells()}) == 5
    assert sorted(prepared(planned, tmp_path).values()) == [50, 50, 200, 200, 1259]


def test_models_are_told_the_size_that_images_are_brought_to(tmp_path: Path) -> None:
    planned = plan(tmp_path, "    {name: digits, resize: [[2, 2], [8, 8]]}", "[{name: cnn, channels: [4, 4]}, mlp]")
    skipped = {cell.label: cell.skip for cell in planned.cells() if cell.skip}
    assert len(skipped) == 1 and "digits(resize=2-2) cnn" in next(iter(skipped))
    counts = planned.counts()  # which looks at one cell for all that are alike
    assert counts.skipped == dict.fromkeys(skipped.values(), 1)
    assert (counts.cells, counts.to_run) == (4, 3)


def test_more_patches_than_there_are_skip_the_cells(tmp_path: Path) -> None:
    for label in range(20):
        for number in range(3):
            (tmp_path / "many" / f"{label:02}").mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), 3 * label + number).save(tmp_path / "many" / f"{label:02}" / f"{number}.png")
    planned = plan(tmp_path, "    {name: image_folder, path: many, spurious: [0.9, null]}")
    reasons = [cell.skip for cell in planned.cells()]
    assert reasons == [
        "spurious has 16 different patches for images of 4 x 4, and image_folder has 20 classes",
        None,
    ]
    assert list(prepared(planned, tmp_path).values()) == [20]


def test_more_of_each_class_than_there_are_is_an_error_at_its_line(tmp_path: Path) -> None:
    planned = plan(tmp_path, "    - digits\n    - name: digits\n      per_class: 5000")
    with pytest.raises(GridError, match=r"grid\.yaml:6:\d+: per_class is 5000, .*: 0 has 124"):
        prepared(planned, tmp_path)


def test_a_column_of_groups_that_is_not_there_is_an_error_at_its_line(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "birds" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (4, 4), 9 * number + ord(label)).save(tmp_path / "birds" / label / f"{number}.png")
    with pytest.raises(GridError, match=r"grid\.yaml:6:\d+: .*the file people\.csv is not there"):
        plan(tmp_path, "    - name: image_folder\n      path: birds\n      groups: people.csv")


def test_a_class_with_one_image_is_an_error_at_its_line(tmp_path: Path) -> None:
    for label, count in (("crow", 1), ("owl", 5)):
        (tmp_path / "birds" / label).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (4, 4), 9 * number + count).save(tmp_path / "birds" / label / f"{number}.png")
    with pytest.raises(GridError, match=r"grid\.yaml:5:\d+: the class crow has one image"):
        plan(tmp_path, "    - name: image_folder\n      path: birds")


def test_a_name_that_would_break_the_line_is_reported_on_one(tmp_path: Path) -> None:
    for label, count in (("crow\n\x1b[31m", 1), ("owl", 5)):
        (tmp_path / "birds" / label).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (4, 4), 9 * number + count).save(tmp_path / "birds" / label / f"{number}.png")
    with pytest.raises(GridError) as refused:
        plan(tmp_path, "    - name: image_folder\n      path: birds")
    assert str(refused.value).splitlines() == [str(refused.value)]
    assert r"the class crow\n\x1b[31m has one image" in str(refused.value)


def test_more_folds_than_images_are_an_error_at_its_line(tmp_path: Path) -> None:
    planned = plan(tmp_path, "    - name: digits\n      folds: 1798")
    with pytest.raises(GridError, match=r"grid\.yaml:5:\d+: folds is 1798"):
        prepared(planned, tmp_path)


def test_list_tells_once_what_every_data_set_takes() -> None:
    shown = CliRunner().invoke(list_.command, ["dataset"]).output
    assert shown.count("per_class (") == 1
    assert shown.index("every dataset takes") < shown.index("per_class (") < shown.index("  cifar10  ")


def test_a_measurement_is_skipped_on_the_data_that_it_cannot_measure_alone(tmp_path: Path) -> None:
    datasets = "    - digits\n    - {name: digits, stream: {blocks: 3}, seen: [0, 1]}"
    planned = plan(tmp_path, datasets, rest="measure: [prequential, corrupt]")
    skipped = [(cell.label, cell.skip) for cell in planned.cells() if cell.skip]
    assert [label.split()[0] for label, _ in skipped] == ["digits"] and "the test split of digits is none" in str(
        skipped
    )
    assert planned.counts().skipped == {str(skipped[0][1]): 1}
    assert planned.counts().measurements == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("stream: {blocks: 3}, folds: 5", r"grid\.yaml:4:\d+: folds tests on every image"),
        ("seen: 1", r"grid\.yaml:4:\d+: seen counts blocks of a stream, and there is none"),
        (
            "stream: {shift: {name: fogg, severity: 2}}",
            r"grid\.yaml:4:\d+: stream\.shift\.name has to be one of .*not \"fogg\"",
        ),
        ("stream: {shift: {name: fog, severity: 7}}", r"grid\.yaml:4:\d+: stream\.shift\.severity has to be at most 5"),
        ("stream: {shift: [{name: fog}]}", r"grid\.yaml:4:\d+: stream\.shift\[0\]: fog needs a severity \(1 to 5\)"),
        ("stream: {blocks: 3}, seen: [1, 3]", r"grid\.yaml:4:\d+: seen is 3, and the stream has 3 blocks"),
    ],
)
def test_a_wrong_stream_is_an_error_at_its_place(tmp_path: Path, options: str, message: str) -> None:
    with pytest.raises(GridError, match=message):
        plan(tmp_path, f"    {{name: digits, {options}}}")


def test_too_many_blocks_are_an_error_at_their_line(tmp_path: Path) -> None:
    planned = plan(tmp_path, "    - name: digits\n      stream: {blocks: 50}")
    with pytest.raises(GridError, match=r"grid\.yaml:5:\d+: a test split of 359 examples has 7 in block \d+ of 50"):
        prepared(planned, tmp_path)
