"""Pictures out of a Parquet file, with their labels as a net's classes have them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.datasets.parquet_files import image, write
from trainables.errors import DataError
from trainables.monitoring.table import PictureTable
from trainables.monitoring.window import NO_LABEL, UNKNOWN

CLASSES = ("cat", "dog")


def labels(path: Path, classes: Sequence[str] = CLASSES, label: str | None = None) -> list[int]:
    return [picture.label for picture in PictureTable.of(path, classes, label=label).pictures()]


@pytest.mark.parametrize(
    ("values", "classes", "metadata", "expected"),
    [
        (["dog", "cat", "dog"], CLASSES, None, [1, 0, 1]),
        (pa.array(["dog", "cat"]).dictionary_encode(), CLASSES, None, [1, 0]),
        ([0, 1, 5], CLASSES, {"classes": '["dog", "cat"]'}, [1, 0, UNKNOWN]),
        ([0, 1], CLASSES, {"classes": "dog,cat"}, [1, 0]),
        ([7, 3], ("3", "7"), None, [1, 0]),
        ([True, False], ("false", "true"), None, [1, 0]),
        (["dog", None, "owl"], CLASSES, None, [1, NO_LABEL, UNKNOWN]),
    ],
)
def test_labels_are_the_nets_classes_by_name(
    tmp_path: Path, values: object, classes: Sequence[str], metadata: dict[str, str] | None, expected: list[int]
) -> None:
    assert labels(write(tmp_path / "some.parquet", values, metadata=metadata), classes) == expected


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.5, 1.0], "the column 'label' is double, and labels are whole numbers, texts or booleans"),
        ([[1], [2]], "the column 'label' is list"),
        ([0, 1], r"no value of the column 'label' is one of the net's classes \(cat, dog\)"),
    ],
)
def test_what_are_no_labels_of_the_net_is_told_and_refused_where_it_was_asked_for(
    tmp_path: Path, values: object, why: str
) -> None:
    path = write(tmp_path / "some.parquet", values)
    table = PictureTable.of(path, CLASSES)
    assert table.label is None and {picture.label for picture in table.pictures()} == {NO_LABEL}
    assert table.note is not None and table.note.endswith("it counts as without labels")
    with pytest.raises(DataError, match=why):
        PictureTable.of(path, CLASSES, label="label")


def test_without_such_a_column_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table({"image": [image(1)]}), path)
    table = PictureTable.of(path, CLASSES)
    assert (table.label, table.note) == (None, None)
    with pytest.raises(DataError, match="there is no column 'kind'"):
        PictureTable.of(path, CLASSES, label="kind")


def test_paths_lead_to_files_below_the_tables_folder_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "one.png").write_bytes(image(1))
    (tmp_path / "secret.png").write_bytes(image(2))
    (folder / "leads out.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(folder / "waits.png")
    paths = ["one.png", "../secret.png", "leads out.png", "waits.png", "gone.png", str(tmp_path / "secret.png"), None]
    pq.write_table(pa.table({"image": paths}), folder / "some.parquet")
    found = list(PictureTable.of(folder / "some.parquet", CLASSES).pictures())
    assert found[0].image is not None and found[0].image.content == str(folder / "one.png")
    words = ["leads out", "leads out", "not a regular file", "no such file", "leads out", "it is empty"]
    assert [picture.image for picture in found[1:]] == [None] * 6
    assert all(word in str(picture.unread) for word, picture in zip(words, found[1:], strict=True))
    assert "gone.png" in found[4].name and found[4].name.startswith(str(folder / "some.parquet#4"))


def test_structs_of_bytes_and_paths_are_read_as_image_parquet_does(tmp_path: Path) -> None:
    (tmp_path / "two.png").write_bytes(image(2))
    rows = [{"bytes": image(1), "path": "x.png"}, {"bytes": None, "path": "two.png"}]
    pq.write_table(pa.table({"photo": rows}), tmp_path / "some.parquet")
    one, two = PictureTable.of(tmp_path / "some.parquet", CLASSES, "photo").pictures()
    assert one.image is not None and one.image.content == image(1)
    assert two.image is not None and two.image.content == str(tmp_path / "two.png")


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    """A file whose second half is damaged gives its first."""
    path = write(tmp_path / "some.parquet", ["cat"] * 2_000, row_group_size=500, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(3).column(0)
    at = (group.dictionary_page_offset or group.data_page_offset) + 60
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    table, count = PictureTable.of(path, CLASSES), 0
    with pytest.raises(DataError, match="cannot read the Parquet file"):
        for _ in table.pictures():
            count += 1
    assert count >= 1_280


@pytest.mark.parametrize("column", ["label", "nothing"])
def test_a_column_without_images_is_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(DataError, match=f"column '{column}'"):
        PictureTable.of(write(tmp_path / "some.parquet", [3]), CLASSES, column)
