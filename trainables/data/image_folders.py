"""Images that are files of their own: in folders named after their classes, as in ImageNet's layout and torchvision's
`ImageFolder`, or below a folder with a number for each."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.checks import same_names
from trainables.data.content import digest_of_files
from trainables.data.csv_list import GROUP, listed, listed_numbers
from trainables.data.files import printable
from trainables.data.image_dataset import ImageSource
from trainables.data.images import EncodedImage, has_image_ending, read_each
from trainables.data.own_folders import SkippedFiles, is_own, is_within_results
from trainables.dataset import LeftOut
from trainables.errors import BrokenImage, DataError, DataMissing

# Where class folders lie: in the root itself, or in its folders `train`, `val` and `test`.

_TRAIN: Final = frozenset({"train", "training"})
POOL: Final = _TRAIN | {"val", "valid", "validation"}
"""What splits are called that the protocol divides anew, in lower case."""
TEST: Final = frozenset({"test", "testing"})
"""What the official test split is called."""


@dataclass(frozen=True, slots=True)
class SplitFolder:
    """A folder that holds class folders."""

    path: Path
    test: bool
    """Whether it is the official test split."""


def split_folders(root: Path) -> list[SplitFolder]:
    """The folders that hold class folders, the test split last; the root alone where it has no splits.

    Raises DataError where the names tell of splits and the content does not bear them out, OSError.
    """
    folders = shown_folders(root)
    named = [folder for folder in folders if folder.name.lower() in POOL | TEST]
    if not _are_splits(named, folders):
        return [SplitFolder(root, False)]
    fault = _fault(named, folders)
    if fault is not None:
        raise DataError(f"{root} has {_listed(named)}, as splits are called, but {fault}{_way_out(root, named)}")
    return _splits(named)


def _splits(folders: list[Path]) -> list[SplitFolder]:
    splits = [SplitFolder(folder, folder.name.lower() in TEST) for folder in folders]
    return sorted(splits, key=lambda split: (split.test, split.path))


def shown_folders(folder: Path) -> list[Path]:
    """The user's own folders in a folder, sorted. Raises OSError, and DataError at a link that leads nowhere."""
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if is_shown(entry.name)]
    for entry in shown:
        if entry.is_symlink() and not has_image_ending(entry.name) and not os.path.exists(entry.path):  # noqa: PTH110
            raise DataError(f"the link {printable(entry.path)} leads to nothing that is there; repair or remove it")
    return sorted(
        Path(entry.path)
        for entry in shown
        if is_folder(entry) and not is_own(entry.path) and not is_within_results(folder, entry.name)
    )


def loose_images(folders: Iterable[Path]) -> list[str]:
    """Images that lie in these folders themselves, each once."""
    paths: dict[str, None] = {}
    for folder in folders:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if is_shown(entry.name) and has_image_ending(entry.name)]
        paths.update({entry.path: None for entry in shown if not is_folder(entry)})
    return sorted(paths)


def numbered_folders(root: Path) -> list[SplitFolder]:
    """Return where images lie that need no class folders: in `train` and `test` where both are there, else in the root.

    Raises DataError where other folders stand beside those two, OSError.
    """
    folders = shown_folders(root)
    named = [folder for folder in folders if folder.name.lower() in POOL | TEST]
    if not any(folder.name.lower() in _TRAIN for folder in named) or len(named) < 2:
        return [SplitFolder(root, False)]
    if others := [folder for folder in folders if folder not in named]:
        raise DataError(
            f"{root} has {_listed(named)}, as splits are called, and {_listed(others)} beside; move the others elsewhere"
        )
    return _splits(named)


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder or a link to one."""
    # unlike DirEntry.is_dir, os.path.isdir passes over a link to itself
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def is_shown(name: str) -> bool:
    """Whether a file or folder of this name is the user's own."""
    # macOS leaves a folder of shadows in every archive that it packs
    return not name.startswith(".") and name != "__MACOSX"


def _are_splits(named: list[Path], folders: list[Path]) -> bool:
    """Decide whether names are of splits: one may be a class's (buses, trains, planes); two, or all, are splits."""
    if len(named) != 1:
        return len(named) > 1
    only = named[0]
    holds_classes = only.name.lower() in _TRAIN and bool(shown_folders(only)) and not _has_images(only)
    return named == folders or holds_classes


def _fault(named: list[Path], folders: list[Path]) -> str | None:
    others = [folder for folder in folders if folder not in named]
    if others:
        return f"{_listed(others)} {'stands' if len(others) == 1 else 'stand'} beside; move that elsewhere"
    if all(folder.name.lower() not in _TRAIN for folder in named):
        return "there is no train; add it"
    bare = [folder for folder in named if not shown_folders(folder)]
    if bare:
        have = "has" if len(bare) == 1 else "have"
        return f"{_listed(bare)} {have} no class folders; sort the images into one for each class, or move them away"
    return None


def _way_out(root: Path, named: list[Path]) -> str:
    alone = next((f"give the path of {folder.name} alone, or " for folder in named if shown_folders(folder)), "")
    return f" ({alone}rename {_listed(named)} if they are classes)"


def _has_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_shown(entry.name) and has_image_ending(entry.name) for entry in entries)


def _listed(folders: Iterable[Path]) -> str:
    *most, last = (printable(folder.name) for folder in folders)
    return f"{', '.join(most)} and {last}" if most else last


# A CSV file that says which images belong together: `path,group`, a line for each image.


def listed_groups(file: Path, images: Sequence[str]) -> NDArray[np.int64]:
    """The group of each image, numbered from 0. Raises UnfitOption, as `listed` does."""
    entries = listed(file, "groups", GROUP, images)
    _, numbers = np.unique([entry.value for entry in entries], return_inverse=True)
    return numbers.astype(np.int64)


# Images that are files of their own, found below a folder.

_BATCH: Final = 1024


@dataclass(frozen=True, slots=True)
class Found:
    """An image that has not been read."""

    label: str
    path: str
    name: str
    """The path within its class."""
    test: bool


class FoundImages(ImageSource):
    """Images in files, in an order of the subclass's own."""

    def __init__(self, root: Path, found: Sequence[Found], skipped: SkippedFiles) -> None:
        self._root, self._found, self._leavings = root, found, skipped
        self.files = [image.path for image in found]
        self.official_test = np.array([image.test for image in found], np.bool_)

    def batches(self) -> Iterator[list[EncodedImage]]:
        for start in range(0, len(self.files), _BATCH):
            yield [EncodedImage(printable(path), path) for path in self.files[start : start + _BATCH]]

    def groups(self, key: str) -> NDArray[np.int64]:
        """key: the path of a CSV file, with the paths of images within the folder."""
        return listed_groups(Path(key), self.names_within())

    def names_within(self) -> list[str]:
        """The path of each image within the folder."""
        prefix = f"{self._root}{os.sep}"
        return [image.path.removeprefix(prefix) for image in self._found]

    def left_out(self) -> tuple[LeftOut, ...]:
        return self._leavings.all()

    def digest(self) -> str:
        try:
            return digest_of_files(
                (f"{'test' if found.test else ''}/{found.label}/{found.name}", found.path) for found in self._found
            )
        except OSError as refused:
            if refused.filename is None:
                raise
            raise BrokenImage(printable(str(refused.filename)), refused.strerror or repr(refused)) from refused


def images_below(folder: Path, label: str, test: bool, skipped: SkippedFiles) -> list[Found]:
    """All, by name; what else lies there goes to the skipped files. Raises BrokenImage naming every one that is no file."""
    entries = sorted(_below(str(folder), frozenset(), skipped), key=lambda entry: entry.path)
    read_each(refuse_what_is_no_file, entries)
    return [Found(label, entry.path, entry.path.removeprefix(f"{folder}/"), test) for entry in entries]


def refuse_what_is_no_file(entry: "os.DirEntry[str]", error: type[BrokenImage] = BrokenImage) -> None:
    """Raises the error."""
    if is_folder(entry):
        raise error(printable(entry.path), "it is a folder, with no images in it")
    # unlike DirEntry.is_file, os.path.isfile passes over a link to itself
    if not (os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()):  # noqa: PTH113
        why = "it is a link that leads to no file" if entry.is_symlink() else "it is not a regular file"
        raise error(printable(entry.path), why)


Above = frozenset[tuple[int, int]]
"""The folders on the way to another, so that a link back ends."""


def entries_below(folder: str, above: Above) -> tuple[list["os.DirEntry[str]"], Above]:
    """What a folder holds and a user put there; nothing where a link has led back. Then `above` of what is below it."""
    status = Path(folder).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return [], above
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if is_shown(entry.name) and not (is_folder(entry) and is_own(entry.path))]
    return shown, above | {here}


def _below(folder: str, above: Above, skipped: SkippedFiles) -> Iterator["os.DirEntry[str]"]:
    """Whatever is called as images are, in a folder and those within, a folder only where it holds none."""
    entries, above = entries_below(folder, above)
    for entry in entries:
        inner = is_folder(entry)
        within = list(_below(entry.path, above, skipped)) if inner else []
        if within:
            yield from within
        elif has_image_ending(entry.name):
            yield entry
        elif not inner:
            skipped.add(entry.path)


# Images below a folder with a number to predict for each: no class folders are needed.


class NumberedFolder(FoundImages):
    """All images, by split and name, in folders or not; `train` and `test` are splits where both are there."""

    def __init__(self, root: Path, numbers: Path, lists: Collection[str]) -> None:
        """numbers: the CSV file. lists: such files, which may lie among the images.

        Raises DataMissing where there is no folder, UnfitOption, BrokenImage, OSError.
        """
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; images are expected in one")
        skipped = SkippedFiles(lists)
        splits = numbered_folders(root)
        found = [found for split in splits for found in images_below(split.path, "", split.test, skipped)]
        super().__init__(root, found, skipped)
        self.classes = ()
        self.targets = listed_numbers(numbers, self.names_within())

    def refuse_unfit(self) -> None:
        if self.official_test.all():
            raise DataMissing(f"{self._root} holds no images to learn from (endings such as .png, .jpg, .tif)")


class ImageFolderSource(FoundImages):
    """All images below the class folders, by split, class and name. Hidden files and folders are left out."""

    def __init__(self, root: Path, layout: Callable[[Path], list[SplitFolder]] = split_folders) -> None:
        """layout: where the class folders lie, the test split last.

        Raises DataMissing where there are no classes, DataError where one is empty, BrokenImage, OSError.
        """
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; images are expected in one folder for each class")
        splits = layout(root)
        folders = [(folder, split.test) for split in splits for folder in shown_folders(split.path)]
        self.classes = tuple(sorted({folder.name for folder, _ in folders}))
        check_class_names(self.classes, root)
        skipped = SkippedFiles()
        for path in loose_images([root, *(split.path for split in splits)]):
            skipped.add(path, "outside of class folders")
        super().__init__(
            root,
            [found for folder, test in folders for found in images_below(folder, folder.name, test, skipped)],
            skipped,
        )
        index = {name: position for position, name in enumerate(self.classes)}
        self.targets = np.array([index[found.label] for found in self._found], np.int64)

    def refuse_unfit(self) -> None:
        if empty := self.not_learnt():
            where = "to learn from " if self.official_test.any() else ""
            raise DataError(
                f"{self._root} has no images {where}in the class folder{'s' * (len(empty) > 1)} {', '.join(empty)}; "
                f"add some (endings such as .png, .jpg, .tif) or remove the folder"
            )


def check_class_names(classes: tuple[str, ...], root: Path) -> None:
    """Raises DataMissing where there are not two classes, DataError where a name is not text, or two look the same."""
    foreign = next((name for name in classes if not _is_utf8(name)), None)
    if foreign is not None:
        raise DataError(f"the name of the class folder {printable(foreign)} in {root} is not UTF-8; rename it")
    if twice := same_names(classes):
        raise DataError(
            f"{root} has two class folders called {printable(twice[0])}, which differ in spaces or in how Unicode spells a "
            f"letter alone; give both one name where they are one class, or other names"
        )
    if len(classes) < 2:
        found = f"one class folder, {printable(classes[0])}" if classes else "no class folders"
        raise DataMissing(
            f"{root} has {found}; a folder with images is expected for each of at least two classes{_deeper(root)}"
        )


def _is_utf8(name: str) -> bool:
    # other bytes of a file's name are kept as lone surrogates
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _deeper(root: Path) -> str:
    """A hint where an archive was unpacked into a folder of its own."""
    only = shown_folders(root)
    within = shown_folders(only[0]) if len(only) == 1 else []
    names = ", ".join(printable(folder.name) for folder in within[:3])
    return f"; {only[0].name} holds folders ({names}, ...): did you mean the path of {only[0].name}?" if within else ""
