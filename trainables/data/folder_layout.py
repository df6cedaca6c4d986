"""Where class folders lie: in the root itself, or in its folders `train`, `val` and `test`."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainables.data.own_folders import is_own, is_within_results
from trainables.data.pictures import has_picture_ending
from trainables.data.printable import printable
from trainables.errors import DataError

_TRAIN: Final = frozenset({"train", "training"})
_POOL: Final = _TRAIN | {"val", "valid", "validation"}
_TEST: Final = frozenset({"test", "testing"})


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
    named = [folder for folder in folders if folder.name.lower() in _POOL | _TEST]
    if not _are_splits(named, folders):
        return [SplitFolder(root, False)]
    fault = _fault(named, folders)
    if fault is not None:
        raise DataError(f"{root} has {_listed(named)}, as splits are called, but {fault}{_way_out(root, named)}")
    splits = [SplitFolder(folder, folder.name.lower() in _TEST) for folder in named]
    return sorted(splits, key=lambda split: (split.test, split.path))


def shown_folders(folder: Path) -> list[Path]:
    """The user's own folders in a folder, sorted. Raises OSError, and DataError at a link that leads nowhere."""
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if is_shown(entry.name)]
    for entry in shown:
        if entry.is_symlink() and not has_picture_ending(entry.name) and not os.path.exists(entry.path):  # noqa: PTH110
            raise DataError(f"the link {printable(entry.path)} leads to nothing that is there; repair or remove it")
    return sorted(
        Path(entry.path)
        for entry in shown
        if is_folder(entry) and not is_own(entry.path) and not is_within_results(folder, entry.name)
    )


def loose_pictures(folders: Iterable[Path]) -> list[str]:
    """Pictures that lie in these folders themselves, each once."""
    paths: dict[str, None] = {}
    for folder in folders:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if is_shown(entry.name) and has_picture_ending(entry.name)]
        paths.update({entry.path: None for entry in shown if not is_folder(entry)})
    return sorted(paths)


def numbered_folders(root: Path) -> list[SplitFolder]:
    """Where pictures lie that need no class folders: in `train` and `test` where both are there, else in the root.

    Raises DataError where other folders stand beside those two, OSError.
    """
    folders = shown_folders(root)
    named = [folder for folder in folders if folder.name.lower() in _POOL | _TEST]
    if not any(folder.name.lower() in _TRAIN for folder in named) or len(named) < 2:
        return [SplitFolder(root, False)]
    if others := [folder for folder in folders if folder not in named]:
        raise DataError(
            f"{root} has {_listed(named)}, as splits are called, and {_listed(others)} beside; move the others elsewhere"
        )
    splits = [SplitFolder(folder, folder.name.lower() in _TEST) for folder in named]
    return sorted(splits, key=lambda split: (split.test, split.path))


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder or a link to one."""
    # unlike DirEntry.is_dir, os.path.isdir passes over a link to itself
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def is_shown(name: str) -> bool:
    """Whether a file or folder of this name is the user's own."""
    # macOS leaves a folder of shadows in every archive that it packs
    return not name.startswith(".") and name != "__MACOSX"


def _are_splits(named: list[Path], folders: list[Path]) -> bool:
    """One such name may be a class's (buses, trains and planes); two, or nothing else, are splits."""
    if len(named) != 1:
        return len(named) > 1
    only = named[0]
    holds_classes = only.name.lower() in _TRAIN and bool(shown_folders(only)) and not _has_pictures(only)
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
        return f"{_listed(bare)} {have} no class folders; sort the pictures into one for each class, or move them away"
    return None


def _way_out(root: Path, named: list[Path]) -> str:
    alone = next((f"give the path of {folder.name} alone, or " for folder in named if shown_folders(folder)), "")
    return f" ({alone}rename {_listed(named)} if they are classes)"


def _has_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_shown(entry.name) and has_picture_ending(entry.name) for entry in entries)


def _listed(folders: Iterable[Path]) -> str:
    *most, last = (printable(folder.name) for folder in folders)
    return f"{', '.join(most)} and {last}" if most else last
