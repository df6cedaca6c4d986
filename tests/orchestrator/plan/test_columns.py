"""Columns of the data that measurements read: an error with its place, or a reason of skipped cells."""

from pathlib import Path

import pytest
from PIL import Image

from orchestrator.errors import GridError
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from trainables.dataset import DataLocation

FACES = "{name: image_folder, path: faces, groups: people.csv}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = ["path,group,light"]
    for number in range(12):
        name = f"{'owl' if number % 2 else 'crow'}/{number}.png"
        (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number * 9).save(tmp_path / "faces" / name)
        lines.append(f"{name},person {number // 2},{'lab' if number < 6 else 'night'}")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    return tmp_path


def plan(folder: Path, measure: str, datasets: str = FACES) -> Plan:
    path = folder / "grid.yaml"
    path.write_text(
        f"name: demo\naxes:\n  dataset: [{datasets}]\n  model: {{name: mlp, hidden: 4}}\n  optimizer: sgd\n{measure}\n"
    )
    return Plan(read_grid(path), DataLocation(data=None, beside=folder, cache=folder / "cache"))


@pytest.mark.parametrize(
    ("measure", "place", "message"),
    [
        (
            "measure:\n  - {name: groups, by: lihgt}",
            "7:24",
            "groups by lihgt: there is no column 'lihgt'; did you mean light?",
        ),
        (
            "measure:\n  - groups\n  - name: groups\n    by: [class, agee]",
            "9:9",
            "groups by agee: there is no column 'agee'",
        ),
        ("measure: {name: groups, by: brightnes}", "6:29", "did you mean brightness?"),
        ("measure: [{name: groups, by: 'column:class'}]", "6:30", "groups by column:class: there is no column 'class'"),
        (
            "measure: [{name: groups, by: 'quintiles:age'}]",
            "6:30",
            "there is no column 'age'; the data have the columns group, light",
        ),
        ("measure: [{name: groups, by: '../../etc/passwd'}]", "6:30", "there is no column '../../etc/passwd'"),
    ],
)
def test_a_column_that_no_data_has_is_an_error_at_its_place(
    folder: Path, measure: str, place: str, message: str
) -> None:
    with pytest.raises(GridError) as refused:
        plan(folder, measure)
    (problem,) = refused.value.problems
    assert f"{problem.line}:{problem.column}" == place and message in problem.message


def test_data_that_have_no_such_column_beside_data_that_have_are_skipped_with_the_reason(folder: Path) -> None:
    planned = plan(folder, "measure: [{name: groups, by: [class, light]}, groups]", f"{FACES}, digits")
    skips = [(cell.data.dataset.name, cell.skip) for cell in planned.cells() if cell.measurement is not None]
    assert skips == [
        ("image_folder", None),
        ("image_folder", None),
        ("digits", "groups by light: there is no column 'light'; the data have no columns"),
        ("digits", None),
    ]
    assert planned.counts().skipped == {"groups by light: there is no column 'light'; the data have no columns": 1}


def test_what_measures_by_no_column_reads_no_file(folder: Path) -> None:
    planned = plan(folder, "measure: [groups, corrupt]")
    (folder / "people.csv").write_text("path\n")
    assert [cell.skip for cell in planned.cells()] == [None] * 3
