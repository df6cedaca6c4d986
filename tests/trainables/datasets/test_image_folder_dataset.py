"""A user's own images in class folders."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from trainables.data.image_folders import ImageFolderSource
from trainables.dataset import DataLocation
from trainables.datasets.image_folder import ImageFolder
from trainables.errors import BrokenImage, DataError, DataMissing

Paint = Callable[..., Path]


def test_classes_are_folders_and_what_is_no_image_is_left_out(place: DataLocation, birds: Path) -> None:
    dataset = ImageFolder(path="birds")
    info, examples = dataset.info(place), dataset.load(place)
    assert (info.classes, info.shape, info.official_test) == (("crow", "owl"), (1, 4, 6), False)
    assert examples.inputs.shape == (3, 1, 4, 6)
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], [30, 20, 10])
    np.testing.assert_array_equal(examples.targets, [0, 1, 1])
    assert not examples.official_test.any()


def test_train_and_test_folders_are_an_official_split_and_val_joins_the_pool(place: DataLocation, paint: Paint) -> None:
    assert place.data is not None
    for value, name in enumerate(["train/a", "train/b", "val/a", "test/a", "test/b"]):
        paint(place.data / name / "x.png", value)
    examples = ImageFolder(path=str(place.data)).load(place)
    assert ImageFolder(path=str(place.data)).info(place).official_test
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(examples.targets, [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(examples.official_test, [False, False, False, True, True])


@pytest.mark.parametrize("name", ["train", "test", "Valid"])
def test_a_class_may_be_called_as_one_split_is(place: DataLocation, paint: Paint, name: str) -> None:
    assert place.data is not None
    for folder in (name, "bus", "plane"):
        paint(place.data / "vehicles" / folder / "x.png", 7)
    info = ImageFolder(path="vehicles").info(place)
    assert (set(info.classes), info.official_test) == ({name, "bus", "plane"}, False)


def test_splits_may_be_called_training_and_testing(place: DataLocation, paint: Paint) -> None:
    assert place.data is not None
    for name in ("Training/a", "Training/b", "Testing/a"):
        paint(place.data / "scans" / name / "x.png", 7)
    info = ImageFolder(path="scans").info(place)
    assert (info.classes, info.official_test) == (("a", "b"), True)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/a/x", "train/b/x", "test/x"], "has test and train, .* but test has no class folders; .*path of train"),
        (
            ["train/x", "test/x"],
            r"test and train have no class folders; sort .* \(rename test and train if they are classes\)",
        ),
        (["train/a/x", "train/b/x", "test/a/x", "more/a/x"], "has test and train, .* more stands beside; move"),
        (["train/a/x", "train/b/x", "more/x", "other/x"], "has train, .* more and other stand beside; move"),
        (["train/a/x", "train/b/x", "val/x"], "val has no class folders"),
        (["test/a/x", "test/b/x"], "there is no train; add it .give the path of test alone"),
        (["val/a/x", "test/b/x"], "there is no train"),
        (["train/x", "test/x", "bus/x"], "bus stands beside; .*rename test and train if they are classes"),
    ],
)
def test_what_looks_like_splits_and_is_not_is_no_classes(
    place: DataLocation, paint: Paint, files: list[str], message: str
) -> None:
    assert place.data is not None
    for name in files:
        paint(place.data / "pets" / f"{name}.png", 7)
    with pytest.raises(DataError, match=message):
        ImageFolder(path="pets").info(place)


def test_a_folder_within_the_folder_is_reported(place: DataLocation, birds: Path) -> None:
    (birds.parent / "unpacked").mkdir()
    birds.rename(birds.parent / "unpacked" / "birds")
    with pytest.raises(DataMissing, match=r"one class folder, birds; .*did you mean the path of birds\?"):
        ImageFolder(path="unpacked").info(place)


def test_a_path_is_looked_for_beside_the_grid_then_in_the_data_folder(
    place: DataLocation, birds: Path, paint: Paint, tmp_path: Path
) -> None:
    beside = DataLocation(place.data, tmp_path / "grids", place.cache)
    assert ImageFolder(path="birds").located(beside).path == str(birds)
    paint(tmp_path / "grids" / "birds" / "a" / "x.png", 1)
    assert ImageFolder(path="birds").located(beside).path == str(tmp_path / "grids" / "birds")
    with pytest.raises(
        DataMissing, match=f"bards is not there; looked for {tmp_path}/grids/bards and {place.data}/bards"
    ):
        ImageFolder(path="bards").located(beside)


def test_the_fingerprint_is_of_content_not_of_the_place(place: DataLocation, birds: Path, paint: Paint) -> None:
    before = ImageFolder(path="birds").fingerprint(place)
    moved = birds.rename(birds.parent / "moved")
    shutil.copytree(moved, birds)
    assert ImageFolder(path="birds").fingerprint(place) == before
    assert ImageFolder(path="birds").canonical() == ImageFolder(path=str(moved)).canonical()
    prints = {before}
    paint(birds / "owl" / "a.PNG", 11)
    prints.add(ImageFolder(path="birds").fingerprint(place))
    (birds / "owl" / "a.PNG").rename(birds / "crow" / "a.PNG")
    prints.add(ImageFolder(path="birds").fingerprint(place))
    (birds / "crow").rename(birds / "raven")
    prints.add(ImageFolder(path="birds").fingerprint(place))
    assert len(prints) == 4


@pytest.mark.parametrize(
    ("size", "channels", "shape"),
    [(None, None, (1, 4, 6)), (8, None, (1, 8, 8)), ([2, 3], 3, (3, 2, 3)), (None, 3, (3, 4, 6))],
)
def test_size_and_channels(place: DataLocation, birds: Path, size: object, channels: int | None, shape: object) -> None:
    given = {"path": "birds", "size": size, "channels": channels}
    dataset = ImageFolder.from_parameters({key: value for key, value in given.items() if value is not None})
    assert dataset.info(place).shape == dataset.load(place).inputs.shape[1:] == shape


def test_one_colour_image_makes_all_rgb(place: DataLocation, birds: Path, paint: Paint) -> None:
    paint(birds / "owl" / "z.png", (1, 2, 3))
    examples = ImageFolder(path="birds").load(place)
    np.testing.assert_array_equal(examples.inputs[:, :, 0, 0], [[30] * 3, [20] * 3, [10] * 3, [1, 2, 3]])


def test_images_of_different_sizes_need_a_size(place: DataLocation, birds: Path, paint: Paint) -> None:
    paint(birds / "owl" / "z.png", 1, (50, 70))
    with pytest.raises(DataError, match=r"different sizes, from 4x6 to 50x70 \(height x width\); give the size"):
        ImageFolder(path="birds").info(place)
    assert ImageFolder.from_parameters({"path": "birds", "size": 16}).load(place).inputs.shape == (4, 1, 16, 16)


@pytest.mark.parametrize("size", [0, -1, [0, 4], [1, 2, 3], "big", 1.5, True])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(ValidationError, match="size"):
        ImageFolder.from_parameters({"path": "birds", "size": size})


def test_every_broken_image_is_named(place: DataLocation, birds: Path) -> None:
    for name in ("owl/broken.jpg", "crow/cut.png"):
        (birds / name).write_bytes((birds / "owl" / "a.PNG").read_bytes()[:20])
    with pytest.raises(BrokenImage) as header:
        ImageFolder(path="birds").info(place)
    (birds / "owl" / "a.PNG").write_bytes((birds / "owl" / "a.PNG").read_bytes()[:50])
    with pytest.raises(BrokenImage) as decoding:
        ImageFolder.from_parameters({"path": "birds", "size": 8, "channels": 1}).load(place)
    assert header.value.path == decoding.value.path == str(birds / "crow" / "cut.png")
    assert f"(also broken: {birds}/owl/broken.jpg)" in str(header.value)
    assert f"(also broken: {birds}/owl/a.PNG, {birds}/owl/broken.jpg)" in str(decoding.value)


def test_an_empty_class_is_named(place: DataLocation, birds: Path) -> None:
    (birds / "dodo").mkdir()
    with pytest.raises(DataError, match="has no images in the class folder dodo"):
        ImageFolder(path="birds").info(place)


def test_a_class_of_the_test_split_alone_is_named(place: DataLocation, paint: Paint) -> None:
    assert place.data is not None
    for name in ("train/a", "train/b", "test/a", "test/c"):
        paint(place.data / "split" / name / "x.png", 5)
    with pytest.raises(DataError, match="no images to learn from in the class folder c"):
        ImageFolder(path="split").load(place)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "has no class folders"),
        (["x.png", "y.png"], "has no class folders"),
        (["only/x.png"], "has one class folder, only"),
    ],
)
def test_fewer_than_two_classes(place: DataLocation, paint: Paint, files: list[str], message: str) -> None:
    assert place.data is not None
    (place.data / "few").mkdir()
    for name in files:
        paint(place.data / "few" / name, 3)
    with pytest.raises(DataMissing, match=message):
        ImageFolder(path="few").info(place)


@pytest.mark.parametrize("other", ["caf\u00e9 ", "cafe\u0301"], ids=["a space", "another spelling in Unicode"])
def test_two_classes_that_look_the_same(place: DataLocation, paint: Paint, other: str) -> None:
    assert place.data is not None
    for name in ("caf\u00e9", other):
        paint(place.data / "twice" / name / "x.png", 3)
    with pytest.raises(DataError, match="two class folders called caf\u00e9, which differ in spaces"):
        ImageFolder(path="twice").info(place)


def test_a_file_is_no_folder_of_images(place: DataLocation, birds: Path) -> None:
    with pytest.raises(DataMissing, match=r"loose\.png is not a folder"):
        ImageFolder(path="birds/loose.png").info(place)


def test_names_that_are_not_utf8(place: DataLocation, birds: Path, paint: Paint) -> None:
    crow = paint(birds / "owl" / os.fsdecode(b"\xe9.png"), 15)
    assert len(ImageFolder(path="birds").load(place)) == 4
    crow.write_bytes(b"cut")
    with pytest.raises(BrokenImage, match=r"owl/\\xe9\.png"):
        ImageFolder(path="birds").load(place)
    crow.unlink()
    paint(birds / os.fsdecode(b"\xe9") / "x.png", 15)
    with pytest.raises(DataError, match=r"class folder \\xe9 in .*/birds is not UTF-8; rename it"):
        ImageFolder(path="birds").info(place)


def test_links_are_followed_and_a_link_back_ends(
    place: DataLocation, birds: Path, paint: Paint, tmp_path: Path
) -> None:
    paint(tmp_path / "elsewhere" / "f.png", 40)
    (birds / "wren").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    examples = ImageFolder(path="birds").load(place)
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], [30, 20, 10, 40])


@pytest.mark.parametrize("size", [None, 8])
def test_what_is_called_a_image_and_is_no_file_is_named(
    place: DataLocation, birds: Path, paint: Paint, size: int | None
) -> None:
    given = {"path": "birds"} if size is None else {"path": "birds", "size": size, "channels": 1}
    dataset = ImageFolder.from_parameters(given)
    paint(birds / "crow" / "folder.png" / "x.png", 15)
    assert len(dataset.load(place)) == 4  # a folder with images is one, whatever its name
    (birds / "crow" / "folder.png" / "x.png").unlink()
    (birds / "crow" / "gone.jpg").symlink_to(birds / "nowhere.jpg")
    (birds / "crow" / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(birds / "crow" / "pipe.png")
    for look in (dataset.info, dataset.fingerprint, dataset.load):
        with pytest.raises(BrokenImage, match="it is a folder, with no images in it") as broken:
            look(place)
        assert broken.value.path == str(birds / "crow" / "folder.png")
        assert all(f"{birds}/crow/{name}" in str(broken.value) for name in ("gone.jpg", "itself.jpg", "pipe.png"))


def test_a_image_that_goes_away_while_it_is_read_is_named(birds: Path) -> None:
    source = ImageFolderSource(birds)
    (birds / "owl" / "a.PNG").unlink()
    with pytest.raises(BrokenImage, match=r"owl/a\.PNG: No such file or directory; repair or remove it"):
        source.digest()


def test_a_link_in_place_of_a_class_folder_that_leads_nowhere_is_named(place: DataLocation, birds: Path) -> None:
    (birds / "wren").symlink_to(birds / "nowhere")
    with pytest.raises(DataError, match=r"the link .*/birds/wren leads to nothing that is there; repair or remove it"):
        ImageFolder(path="birds").info(place)


def test_postscript_called_a_image_starts_no_other_program(
    place: DataLocation, birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\necho started >> {started}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    script = birds / "owl" / "script.png"
    script.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\nshowpage\n%%EOF\n")
    dataset = ImageFolder.from_parameters({"path": "birds", "size": 8, "channels": 1})
    for look in (ImageFolder(path="birds").info, dataset.load):
        with pytest.raises(BrokenImage, match="it is in none of the formats PNG, JPEG") as broken:
            look(place)
        assert broken.value.path == str(script)
    assert not started.exists()


def test_an_error_about_names_that_are_not_utf8_can_be_printed(place: DataLocation, paint: Paint) -> None:
    assert place.data is not None
    foreign = os.fsdecode(b"\xe9")
    for number, files in enumerate(([f"{foreign}/x"], ["train/a/x", "test/a/x", f"{foreign}/x"], ["a/x", "b\n/x.txt"])):
        for name in files:
            path = place.data / f"{number}" / f"{name}.png"
            paint(path, 5) if ".txt" not in name else path.parent.mkdir()
        with pytest.raises(DataError) as error:
            ImageFolder(path=f"{number}").info(place)
        assert len(str(error.value).encode().splitlines()) == 1
