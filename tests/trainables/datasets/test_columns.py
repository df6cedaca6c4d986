"""What a data set's files say of images beside their classes: columns, in the order of the examples."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.datasets.conftest import PaintAt
from tests.trainables.datasets.parquet_files import image
from trainables.data.image_dataset import HasColumns, no_column
from trainables.dataset import DataLocation, Dataset
from trainables.datasets.digits import Digits
from trainables.datasets.image_csv import ImageCsv
from trainables.datasets.image_folder import ImageFolder
from trainables.datasets.image_parquet import ImageParquet
from trainables.errors import UnfitOption

ROWS = [
    ("owl/a.png", "owl", "ann", "lab", 10),
    ("crow/b.png", "crow", "bob", "", 20),
    ("owl/c.png", "owl", "ann", "street", 30),
    ("crow/d.png", "crow", "cem", "lab", 40),
]
"""Name, class, person, light, grey."""
Write = Callable[[int], Dataset]


@pytest.fixture(params=["image_folder", "image_csv", "image_parquet"])
def write(request: pytest.FixtureRequest, place: DataLocation, paint: PaintAt) -> Write:
    """A data set of the four images, whose files have so many columns beside the one of persons."""
    assert place.data is not None
    root = place.data

    def folder(further: int) -> Dataset:
        for name, _, _, _, grey in ROWS:
            paint(root / "birds" / name, grey)
        lines = [("path", "group", "light"), *((name, person, light) for name, _, person, light, _ in ROWS)]
        (root / "people.csv").write_text("".join(",".join(line[: 2 + further]) + "\n" for line in lines))
        return ImageFolder(path="birds", groups="people.csv")

    def csv(further: int) -> Dataset:
        folder(1)
        lines = [("image", "label", "person", "light"), *(row[:4] for row in ROWS)]
        (root / "labels.csv").write_text("".join(",".join(line[: 3 + further]) + "\n" for line in lines))
        return ImageCsv(path="labels.csv", images="birds", group="person")

    def parquet(further: int) -> Dataset:
        _, labels, people, lights, greys = map(list, zip(*ROWS, strict=True))
        columns = {"image": [image(grey) for grey in greys], "label": labels, "person": people}
        pq.write_table(pa.table(columns | ({"light": lights} if further else {})), root / "birds.parquet")
        return ImageParquet(path="birds.parquet", groups="person")

    return {"image_folder": folder, "image_csv": csv, "image_parquet": parquet}[request.param]


def test_a_column_is_in_the_order_of_the_examples(place: DataLocation, write: Write) -> None:
    dataset = write(1)
    assert isinstance(dataset, HasColumns)
    assert "light" in dataset.columns(place) and "brightness" not in dataset.columns(place)
    told = {grey: (light or None, person) for _, _, person, light, grey in ROWS}
    people = dataset.column(place, dataset.group_column(place) or "")
    found = zip(dataset.load(place).inputs[:, 0, 0, 0].tolist(), dataset.column(place, "light"), people, strict=True)
    assert {grey: (light or None, person) for grey, light, person in found} == told


def test_what_a_further_column_says_is_no_part_of_the_content(place: DataLocation, write: Write) -> None:
    """Else results of before would be of other data, as soon as somebody adds a column or corrects it."""
    without = write(0)
    before = without.fingerprint(place), without.digest()
    dataset = write(1)
    assert (dataset.fingerprint(place), dataset.digest()) == before
    assert isinstance(dataset, HasColumns)
    list(dataset.column(place, "light"))
    assert (dataset.fingerprint(place), dataset.digest()) == before


def test_a_column_that_is_not_there_is_refused(place: DataLocation, write: Write) -> None:
    dataset = write(1)
    assert isinstance(dataset, HasColumns)
    with pytest.raises(Exception, match="colour") as refused:
        list(dataset.column(place, "colour"))
    assert type(refused.value).__module__ == "trainables.errors"


def test_an_image_without_a_line_has_no_value_in_a_further_column_alone(place: DataLocation, paint: PaintAt) -> None:
    assert place.data is not None
    for name, _, _, _, grey in ROWS:
        paint(place.data / "birds" / name, grey)
    (place.data / "people.csv").write_text("path,group,light\nowl/a.png,ann,lab\n")
    dataset = ImageFolder(path="birds", groups="people.csv")
    assert list(dataset.column(place, "light")) == [None, None, "lab", None]
    with pytest.raises(UnfitOption, match="names no group for 3 of 4 images"):
        dataset.load(place)


def test_data_without_such_files_have_no_columns(place: DataLocation, birds: Path) -> None:
    assert not isinstance(Digits(), HasColumns)
    assert ImageFolder(path="birds").columns(place) == () and ImageFolder(path="birds").group_column(place) is None


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([b"x"] * 4), "is binary; groups are numbers, texts or booleans"),
        (pa.array([[1]] * 4), "is list<"),
        (pa.array([{"a": 1}] * 4), "is struct<"),
    ],
)
def test_columns_that_are_neither_texts_nor_numbers_are_refused(
    place: DataLocation, column: pa.Array, message: str
) -> None:
    assert place.data is not None
    table = pa.table({"image": [image(row) for row in range(4)], "label": [0, 1, 0, 1], "odd": column})
    pq.write_table(table, place.data / "odd.parquet")
    with pytest.raises(UnfitOption, match=message):
        list(ImageParquet(path="odd.parquet").column(place, "odd"))


def test_columns_of_several_files_are_those_that_all_have_and_what_folders_say(place: DataLocation) -> None:
    assert place.data is not None
    for light, more in (("lab", {}), ("night", {"alone": ["x"] * 2})):
        folder = place.data / "set" / f"light={light}"
        folder.mkdir(parents=True)
        table = {"image": [image(1), image(2)], "label": [0, 1], "age": [1.5, None], **more}
        pq.write_table(pa.table(table), folder / "part.parquet")
    dataset = ImageParquet(path="set")
    assert list(dataset.columns(place)) == ["image", "label", "age", "light"]
    assert list(dataset.column(place, "light")) == ["lab", "lab", "night", "night"]
    assert list(dataset.column(place, "age")) == [1.5, None, 1.5, None]
    with pytest.raises(UnfitOption, match="no column 'alone'"):
        list(dataset.column(place, "alone"))


def test_a_wrong_name_is_answered_with_near_ones_and_a_list_that_ends() -> None:
    assert no_column("persn", ["person", "light"]) == (
        "there is no column 'persn'; did you mean person? (the data have the columns person, light)"
    )
    assert no_column("brightnes", (), ("brightness",)) == (
        "there is no column 'brightnes'; did you mean brightness? (the data have no columns)"
    )
    assert no_column("x\n", [f"c{one}" for one in range(30)]).endswith("c10, c11, 18 more")
