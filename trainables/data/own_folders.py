"""Folders that programs write, this one first, and that are never read as data, wherever they lie."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from trainables.data.files import (
    CHECKSUMS,
    FETCHED,
    FOLDERS,
    JOURNAL,
    LOCK_HOLDER,
    WANDB,
    atomic_write,
    printable,
    read_regular,
)
from trainables.dataset import LeftOut

# Files among the images that are not read, counted by their endings: a user would take them for part of the data.

_ENDING: Final = re.compile(r"\.[A-Za-z0-9_~]{1,12}")
_SYSTEMS: Final = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
"""Written by a file manager of its own accord, like hidden files."""


class SkippedFiles:
    """A tally."""

    def __init__(self, read: Collection[str] = ()) -> None:
        """read: paths of files that are read as something else."""
        self._read = frozenset(read)
        self._found: dict[str, LeftOut] = {}

    def add(self, path: str, where: str = "") -> None:
        """where: said behind the ending."""
        name = path.rpartition("/")[2]
        if name.startswith(".") or name.lower() in _SYSTEMS or path in self._read:
            return
        stem, dot, last = name.rpartition(".")
        fits = bool(stem) and _ENDING.fullmatch(f"{dot}{last}")
        what = f"{dot}{last.lower()}" if fits else "no ending"
        what = f"{what} {where}".rstrip()
        known = self._found.get(what)
        self._found[what] = LeftOut(
            what, 1 + (known.files if known else 0), known.example if known else printable(path)
        )

    def all(self) -> tuple[LeftOut, ...]:
        """The most frequent first."""
        return tuple(sorted(self._found.values(), key=lambda left: (-left.files, left.what)))


_MARKS: Final = (JOURNAL, LOCK_HOLDER, FETCHED)
_TABLES: Final = ("trials.parquet", "epochs.parquet")
"""Of results whose other files are lost or were not copied."""
_RUNS: Final = ("run-", "offline-run-", "latest-run")
"""What W&B calls its folders of runs, in the folder `wandb`."""
_USUAL: Final = "results"
"""Where sweeps write unless told otherwise, a folder each."""
_DEEPEST: Final = 4
"""Folders within folders that are looked into for nothing but results: links may lead back."""
FEATURES: Final = "features"
"""Folder of a cache with what frozen nets make of data sets; it may be deleted alone."""
_CACHE_TAG: Final = "CACHEDIR.TAG"
_CACHE_SIGNATURE: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""https://bford.info/cachedir: who makes backups passes over such a folder too."""
_REMEMBERED: Final = re.compile("[0-9a-f]{32}")
"""A file in the folder `content` of a cache, also of one that was made before caches were tagged."""


def is_results(folder: str | Path) -> bool:
    """Whether a sweep writes, or has written, its results into this folder."""
    if any(_is_there(folder, name) for name in _MARKS):
        return True
    return all(_is_there(folder, name) for name in _TABLES) or _has_checksums(folder)


def is_own(folder: str | Path, depth: int = 0) -> bool:
    """Whether a folder holds results, offline runs of W&B, or what was decoded, or nothing but such folders."""
    return is_results(folder) or _is_cache(folder) or _is_wandb(folder) or _holds_own_alone(folder, depth)


def is_within_results(folder: str | Path, name: str) -> bool:
    """Whether this name in a folder is of the results, should the folder hold some beside other things."""
    return (name in FOLDERS or name in _TABLES) and is_results(folder)


def tag_cache(cache: Path) -> None:
    """Say that a folder is a cache, so that it is no data. Raises OSError."""
    tag = cache / _CACHE_TAG
    if not tag.exists():
        atomic_write(_CACHE_SIGNATURE + b"\n# Decoded data of orch; safe to delete while nothing runs.\n", tag)


def _is_there(folder: str | Path, name: str) -> bool:
    # unlike Path.is_file, os.path.isfile passes over a folder that may not be entered
    return os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118


def _has_checksums(folder: str | Path) -> bool:
    return _starts(Path(folder) / CHECKSUMS, b'"directory_id"', 256)


def _is_cache(folder: str | Path) -> bool:
    if _starts(Path(folder) / _CACHE_TAG, _CACHE_SIGNATURE, len(_CACHE_SIGNATURE)):
        return True
    return any(_REMEMBERED.fullmatch(entry.name) for entry in _entries(Path(folder) / "content"))


def _is_wandb(folder: str | Path) -> bool:
    return Path(folder).name == WANDB and any(entry.name.startswith(_RUNS) for entry in _entries(folder))


def _holds_own_alone(folder: str | Path, depth: int) -> bool:
    """Recognise a folder such as `results`, where each sweep's results lie; what lies beside them is no class either."""
    # a plan of a data set that is no folder has no need of Pillow
    from trainables.data.images import has_image_ending
    from trainables.data.videos.video import has_video_ending

    shown = [entry for entry in _entries(folder) if not entry.name.startswith(".")]
    within = [entry for entry in shown if os.path.isdir(entry.path)]  # noqa: PTH112 - passes over a link to itself
    if Path(folder).name == _USUAL and any(is_results(entry.path) for entry in within):
        return True
    files = (entry.name for entry in shown if entry not in within)
    if not within or any(has_image_ending(name) or has_video_ending(name) for name in files):
        return False
    return depth < _DEEPEST and all(is_own(entry.path, depth + 1) for entry in within)


def _entries(folder: str | Path) -> list["os.DirEntry[str]"]:
    """List the entries; None where the folder cannot be looked into, which whoever reads its images says."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _starts(file: Path, text: bytes, most: int) -> bool:
    """Whether it has this text among its first bytes."""
    try:
        return text in read_regular(file, most)
    except OSError:
        return False
