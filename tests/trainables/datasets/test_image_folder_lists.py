"""CSV files beside class folders: which images belong together, and which number each has."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainables.dataset import DataLocation, Examples
from trainables.datasets.image_folder import ImageFolder
from trainables.errors import UnfitOption

Paint = Callable[..., Path]


def with_people(place: DataLocation, birds: Path, lines: str, name: str = "people.csv") -> ImageFolder:
    (birds.parent / name).write_text(lines)
    return ImageFolder(path="birds", size=(4, 6), channels=1, groups=name)


PEOPLE = "path,group\nowl/a.PNG,ann\ncrow/c.tif,bob\nowl/2024/spring/b.bmp,ann\nno/longer/there.png,bob\n"


def test_a_file_says_whose_images_belong_together(place: DataLocation, birds: Path) -> None:
    dataset = with_people(place, birds, PEOPLE)
    crow, *owls = dataset.load(place).groups.tolist()
    assert owls[0] == owls[1] != crow

    plain = ImageFolder(path="birds", size=(4, 6), channels=1)
    assert plain.load(place).groups is None
    assert dataset.digest() == plain.digest()  # who belongs together is content, and in the fingerprint
    prints = {plain.fingerprint(place), dataset.fingerprint(place)}
    renamed = with_people(place, birds, PEOPLE.replace("ann", "zoe").replace("bob", "cem"), "again.csv")
    other = with_people(place, birds, PEOPLE.replace("b.bmp,ann", "b.bmp,bob"), "other.csv")
    assert len(prints) == 2 and other.fingerprint(place) not in prints
    assert other.load(place).groups.tolist() != dataset.load(place).groups.tolist()
    assert len(set(renamed.load(place).groups.tolist())) == 2


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_its_columns_may_be_divided_as_spreadsheets_do(place: DataLocation, birds: Path, separator: str) -> None:
    with_commas = with_people(place, birds, PEOPLE).load(place).groups
    lines = PEOPLE.replace(",", separator).replace(
        "ann", f"ann{separator}"
    )  # a cell more than there are columns is none
    found = with_people(place, birds, "\ufeff" + lines, "again.csv").load(place).groups
    assert found is not None and with_commas is not None
    assert found.tolist() == with_commas.tolist()


def test_the_file_may_lie_among_the_images(place: DataLocation, birds: Path) -> None:
    (birds / "whose.csv").write_text(PEOPLE)
    assert ImageFolder(path="birds", size=(4, 4), groups="whose.csv").load(place).groups is not None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "path,group\nowl/a.PNG,ann\n",
            r"names no group for 2 of 3 images, such as crow/c\.tif, owl/2024/spring/b\.bmp",
        ),
        (
            "path,group\nowl/a.PNG,\ncrow/c.tif,b\nowl/2024/spring/b.bmp,b\n",
            r"no group for 1 of 3 images, such as owl/a",
        ),
        ("image,group\n", "lacks path: it has to be path,group"),
        ("", "lacks path and group"),
        (PEOPLE + "owl/a.PNG,bob\n", r"gives owl/a\.PNG two groups, ann and bob"),
    ],
)
def test_a_file_of_groups_that_does_not_fit_is_refused(
    place: DataLocation, birds: Path, lines: str, message: str
) -> None:
    with pytest.raises(UnfitOption, match=message) as refused:
        with_people(place, birds, lines).load(place)
    assert refused.value.option == "groups"


def test_a_file_of_groups_that_is_not_there_is_reported(place: DataLocation, birds: Path) -> None:
    with pytest.raises(UnfitOption, match=r"the file people\.csv is not there"):
        ImageFolder(path="birds", groups="people.csv").info(place)


@pytest.fixture
def ages(place: DataLocation, paint: Paint) -> Path:
    """Images in folders and outside of any, and the list of their ages."""
    assert place.data is not None
    for value, name in enumerate(("c.png", "a/b.png", "a/d/e.png")):
        paint(place.data / "faces" / name, value)
    return place.data / "faces" / "ages.csv"


def test_a_file_says_which_number_each_image_has(place: DataLocation, ages: Path) -> None:
    ages.write_text("sex,path,target\nf,c.png,30\nm,./a/b.png, 4.5\nf,a\\d\\e.png,-1e-3\nm,other.png,nan\n")
    dataset = ImageFolder(path="faces", target="ages.csv")
    info, examples = dataset.info(place), dataset.load(place)
    assert (info.task, info.classes, info.targets, info.official_test) == ("regression", (), 1, False)
    assert examples.targets.dtype == np.float32
    assert dataset.outline(place).left_out == ()  # the list itself is read
    by_image = {int(image[0, 0, 0]): float(target[0]) for image, target in zip(*_pairs(examples), strict=True)}
    assert by_image == {0: 30, 1: 4.5, 2: pytest.approx(-1e-3)}
    before = dataset.fingerprint(place)
    ages.write_text(ages.read_text().replace("30", "31"))
    assert dataset.fingerprint(place) != before
    assert dataset.canonical() == ImageFolder(path="faces").canonical()


def test_numbers_with_a_comma_as_some_spreadsheets_write_them_are_told_as_such(place: DataLocation, ages: Path) -> None:
    ages.write_text("path;target\nc.png;30\na/b.png;4.5\na/d/e.png;2\n")
    assert ImageFolder(path="faces", target="ages.csv").load(place).targets[:, 0].tolist() == [4.5, 2, 30]
    ages.write_text("path;target\nc.png;30\na/b.png;4,5\na/d/e.png;2\n")
    with pytest.raises(UnfitOption, match=r"ages\.csv:3: '4,5' is not a number"):
        ImageFolder(path="faces", target="ages.csv").info(place)


def _pairs(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    return examples.inputs, examples.targets


def test_numbers_of_images_in_train_and_test(place: DataLocation, paint: Paint) -> None:
    assert place.data is not None
    names = ("train/a.png", "val/sub/b.png", "test/c.png")
    for value, name in enumerate(names):
        paint(place.data / "faces" / name, value)
    lines = ["path,target", *(f"{name},{number}" for number, name in enumerate(names))]
    (place.data / "ages.csv").write_text("\n".join(lines))
    dataset = ImageFolder(path="faces", target="ages.csv")
    examples = dataset.load(place)
    assert dataset.info(place).official_test
    assert examples.official_test.tolist() == [False, False, True]
    np.testing.assert_array_equal(examples.targets[:, 0], [0, 1, 2])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("c.png,1\na/b.png,2\n", r"names no target for 1 of 3 images, such as a/d/e\.png; add a line"),
        ("c.png,1\na/b.png,\na/d/e.png,3\n", r"names no target for 1 of 3 images, such as a/b\.png"),
        ("c.png,1\na/b.png,old\na/d/e.png,3\n", r"ages\.csv:3: 'old' is not a number"),
        ('c.png,1\na/b.png,"2,5"\na/d/e.png,3\n', r"ages\.csv:3: '2,5' is not a number"),
        (
            "c.png,1\na/b.png,nan\na/d/e.png,inf\n",
            r"no finite number for 2 of 3 images: line 3 \(.*NaN\), line 4 \(inf",
        ),
        ("c.png,1\na/b.png,1\na/d/e.png,1\n", "is 1 for all images"),
        ("c.png,1\nc.png,2\na/b.png,1\na/d/e.png,1\n", r"gives c\.png two targets, 1 and 2"),
    ],
)
def test_a_file_of_numbers_that_does_not_fit_is_refused(
    place: DataLocation, ages: Path, lines: str, message: str
) -> None:
    ages.write_text("path,target\n" + lines)
    with pytest.raises(UnfitOption, match=message) as unfit:
        ImageFolder(path="faces", target="ages.csv").info(place)
    assert unfit.value.option == "target"


def test_a_file_of_numbers_that_is_not_there_or_has_other_columns_is_reported(place: DataLocation, ages: Path) -> None:
    with pytest.raises(UnfitOption, match=r"the file gone\.csv is not there"):
        ImageFolder(path="faces", target="gone.csv").info(place)
    ages.write_text("file,age\n")
    with pytest.raises(UnfitOption, match="lacks path and target: it has to be path,target"):
        ImageFolder(path="faces", target="ages.csv").info(place)
