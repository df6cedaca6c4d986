"""Pictures in folders named after their classes, as in ImageNet's layout and torchvision's `ImageFolder`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainables.data.checks import same_names
from trainables.data.folder_layout import SplitFolder, loose_pictures, shown_folders, split_folders
from trainables.data.found_pictures import FoundPictures, pictures_below
from trainables.data.leavings import Leavings
from trainables.data.printable import printable
from trainables.errors import DataError, DataMissing


class PictureFolder(FoundPictures):
    """All pictures below the class folders, by split, class and name. Hidden files and folders are left out."""

    def __init__(self, root: Path, layout: Callable[[Path], list[SplitFolder]] = split_folders) -> None:
        """layout: where the class folders lie, the test split last.

        Raises DataMissing where there are no classes, DataError where one is empty, BrokenPicture, OSError.
        """
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; pictures are expected in one folder for each class")
        splits = layout(root)
        folders = [(folder, split.test) for split in splits for folder in shown_folders(split.path)]
        self.classes = tuple(sorted({folder.name for folder, _ in folders}))
        check_class_names(self.classes, root)
        leavings = Leavings()
        for path in loose_pictures([root, *(split.path for split in splits)]):
            leavings.add(path, "outside of class folders")
        super().__init__(
            root,
            [found for folder, test in folders for found in pictures_below(folder, folder.name, test, leavings)],
            leavings,
        )
        index = {name: position for position, name in enumerate(self.classes)}
        self.targets = np.array([index[found.label] for found in self._found], np.int64)

    def refuse_unfit(self) -> None:
        counts = np.bincount(self.targets[~self.official_test], minlength=len(self.classes))
        empty = [printable(name) for name, count in zip(self.classes, counts, strict=True) if not count]
        if empty:
            where = "to learn from " if self.official_test.any() else ""
            raise DataError(
                f"{self._root} has no pictures {where}in the class folder{'s' * (len(empty) > 1)} {', '.join(empty)}; "
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
            f"{root} has {found}; a folder with pictures is expected for each of at least two classes{_deeper(root)}"
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
