"""Columns of Parquet files beside image and label: numbers to predict, and what belongs together."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.datasets.parquet_files import image, write
from trainables.dataset import DataLocation
from trainables.datasets.image_parquet import ImageParquet
from trainables.errors import UnfitOption


@pytest.mark.parametrize(
    "numbers",
    [
        pa.array([0.5, 2.0, -1.0]),
        pa.array([1, 2, 3], pa.uint8()),
        pa.array([1, 2, 3]).cast(pa.decimal128(24, 2)),
        pa.array(np.array([0.5, 1, 2], np.float16)),
        pa.array([0.5, 2.0, -1.0]).dictionary_encode(),
    ],
    ids=["double", "uint8", "decimal", "half", "dictionary"],
)
def test_numbers_to_predict(place: DataLocation, data: Path, numbers: pa.Array) -> None:
    write_numbers(data / "t.parquet", numbers)
    dataset = ImageParquet(path="t.parquet", target="age")
    info, examples = dataset.info(place), dataset.load(place)
    assert (info.task, info.classes, info.targets) == ("regression", (), 1)
    assert (examples.targets.dtype, examples.targets.shape) == (np.float32, (3, 1))
    np.testing.assert_allclose(examples.targets[:, 0], [float(value) for value in numbers.to_pylist()])
    assert dataset.canonical() == ImageParquet(path="t.parquet").canonical()
    prints = {dataset.fingerprint(place)}
    write_numbers(data / "t.parquet", pa.array([0.5, 2.0, 7.0]))
    assert dataset.fingerprint(place) not in prints


def write_numbers(path: Path, numbers: pa.Array) -> None:
    images = pa.array([image(row) for row in range(len(numbers))], pa.binary())
    pq.write_table(pa.table({"image": images, "age": numbers}), path)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            pa.array([1.0, None, 3.0]),
            r"no finite number for 1 of 3 images: row 1 of .*t\.parquet \(missing, or NaN\)",
        ),
        (pa.array([1.0, 2.0, float("nan")]), r"row 2 of .*t\.parquet \(missing"),
        (pa.array([float("-inf"), 2.0, float("inf")]), r"2 of 3 images: row 0 .*\(-inf\), row 2 .*\(inf\)"),
        (pa.array([1e39, 2.0, 3.0]), r"row 0 of .*\(1e\+39, beyond 32 bits\)"),
        (pa.array(["1", "x", "3"]), "the column 'age' of .* is string; a target is a column of numbers"),
        (pa.array([True, False, True]), "is bool; a target is a column of numbers"),
        (pa.array([[1.0], [2.0], [3.0]]), "is list"),
        (pa.array([2.0, 2.0, 2.0]), "is 2 for all images, so that there is nothing to learn"),
    ],
)
def test_what_is_no_number_to_predict_is_named(
    place: DataLocation, data: Path, numbers: pa.Array, message: str
) -> None:
    write_numbers(data / "t.parquet", numbers)
    with pytest.raises(UnfitOption, match=message) as unfit:
        ImageParquet(path="t.parquet", target="age").info(place)
    assert unfit.value.option == "target"
    with pytest.raises(UnfitOption, match="has no column 'weight'; it has image, age"):
        ImageParquet(path="t.parquet", target="weight").info(place)


def write_with(path: Path, **columns: object) -> Path:
    table = pq.read_table(write(path, [0, 1, 0, 1]))
    for name, values in columns.items():
        table = table.append_column(name, values if isinstance(values, pa.Array) else pa.array(values))
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    "people",
    [["ann", "bob", "ann", "cem"], [7, 3, 7, 9], pa.array(["ann", "bob", "ann", "cem"]).dictionary_encode()],
    ids=["text", "numbers", "dictionary"],
)
def test_a_column_says_whose_images_belong_together(place: DataLocation, data: Path, people: object) -> None:
    write_with(data / "faces.parquet", person=people)
    dataset, plain = ImageParquet(path="faces.parquet", groups="person"), ImageParquet(path="faces.parquet")
    groups = dataset.load(place).groups
    assert groups is not None and groups.tolist() == [0, 1, 0, 2]
    assert plain.load(place).groups is None
    assert dataset.fingerprint(place) != plain.fingerprint(place)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "has no column 'person'; it has image, label"),
        ({"person": ["ann", None, "ann", "bob"]}, "row 1 of .* has no 'person'"),
        ({"person": [0.5, 1, 2, 3]}, "is double; groups are whole numbers or texts"),
    ],
)
def test_a_column_of_groups_that_does_not_fit_is_refused(
    place: DataLocation, data: Path, columns: dict[str, object], message: str
) -> None:
    write_with(data / "faces.parquet", **columns)
    with pytest.raises(UnfitOption, match=message):
        ImageParquet(path="faces.parquet", groups="person").fingerprint(place)
