"""Where the bytes of a results directory are: `orch du`."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.errors import OrchError
from orchestrator.store.journal import Journal
from orchestrator.store.paths import KEPT, OLDER_JOURNALS, ResultsPaths, may_be_kept
from orchestrator.store.predictions.parts import parts_in
from orchestrator.store.predictions.reading import predicted_trials
from trainables import AXES
from trainables.data.files import CHECKPOINTS, DAMAGED, IMAGES, JOURNAL, MONITOR, PREDICTIONS, WANDB, WEIGHTS
from trainables.data.own_folders import FEATURES

_FOLDERS: Final = {
    WEIGHTS: "weights",
    IMAGES: "pictures",
    CHECKPOINTS: "checkpoints",
    PREDICTIONS: "predictions",
    WANDB: "W&B",
    MONITOR: "monitored windows",
    DAMAGED: "copies of damaged files",
}
"""Folders of a results directory, and what is in them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes and files of one kind."""

    what: str
    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class CellUsage:
    """What the trials of a cell have left."""

    cell_id: str
    label: str
    bytes: int
    """Of weights, pictures, checkpoints, and its part of the predictions."""
    trials: int
    """That it has, of all grids."""


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """All of it; links count as themselves and are not followed."""

    kinds: tuple[Usage, ...]
    """The largest first."""
    cells: tuple[CellUsage, ...]
    """Those that have left anything, the largest first."""
    printed: int
    """Bytes of the journal that trials have printed."""

    @property
    def bytes(self) -> int:
        return sum(kind.bytes for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """Bytes of what a machine keeps once, for all sweeps."""

    decoded: int
    """Data sets."""
    features: int
    """What frozen nets make of them."""


def cache_usage(cache: Path) -> CacheUsage:
    """Nothing where there is no such folder. Raises OSError where it may not be read."""
    decoded = features = 0
    for path, size in _files(cache):
        if path.parts[0] == FEATURES:
            features += size
        else:
            decoded += size
    return CacheUsage(decoded, features)


def disk_usage(paths: ResultsPaths, journal: Journal | None) -> DiskUsage:
    """journal: None where only tables are left, which then say nothing of cells. Raises OSError where it may not be read."""
    kinds: dict[str, list[int]] = {}
    of_trial: Counter[str] = Counter()
    for path, size in _files(paths.root):
        kinds.setdefault(_kind(path), []).append(size)
        if (trial := _trial(path)) is not None:
            of_trial[trial] += size
    usages = [Usage(what, sum(sizes), len(sizes)) for what, sizes in kinds.items()]
    cells: tuple[CellUsage, ...] = ()
    printed = 0
    if journal is not None:
        of_trial += _predicted(paths)
        cells = tuple(_cells(journal, of_trial))
        ((printed,),) = journal.query("SELECT coalesce(sum(length(CAST(text AS BLOB))), 0) FROM logs")
    return DiskUsage(tuple(sorted(usages, key=lambda usage: -usage.bytes)), cells, printed)


def _files(root: Path) -> Iterator[tuple[PurePosixPath, int]]:
    """Every file below the folder, by its path there, and its bytes."""
    for folder, _, names in os.walk(root, onerror=_raise):
        for name in names:
            try:
                status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - of a hundred thousand files
            except FileNotFoundError:
                continue  # a sweep has finished with it
            if not stat.S_ISDIR(status.st_mode):
                yield PurePosixPath(os.path.relpath(os.path.join(folder, name), root)), status.st_size  # noqa: PTH118


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _kind(path: PurePosixPath) -> str:
    first, *rest = path.parts
    if first in _FOLDERS and rest:
        return _FOLDERS[first]
    if first.startswith(JOURNAL):
        return "journal"
    if fnmatchcase(first, OLDER_JOURNALS):
        return "journals of older versions"
    return "tables" if first.endswith(".parquet") else "the rest"


def _trial(path: PurePosixPath) -> str | None:
    """Whose file it is, by its name."""
    match path.parts:
        case (folder, name) if folder in KEPT and may_be_kept(f"{folder}/{name}"):
            return path.stem
        case (folder, trial, _) if folder == CHECKPOINTS:
            return trial
        case _:
            return None


def _predicted(paths: ResultsPaths) -> Counter[str]:
    """Each trial's part of the bytes of `predictions`, by examples; nothing where it cannot be read."""
    found: Counter[str] = Counter()
    with suppress(OrchError):
        examples = {trial: part.examples for trial, part in predicted_trials(paths).items()}
        names = parts_in(paths.predictions)
        bytes_ = sum((paths.predictions / name).lstat().st_size for name in names)
        whole = sum(examples.values())
        found.update({trial: round(bytes_ * count / whole) for trial, count in examples.items()})
    return found


def _cells(journal: Journal, of_trial: Counter[str]) -> Iterator[CellUsage]:
    labels = ", ".join(f"cells.{axis}" for axis in AXES)
    rows = journal.query(f"SELECT trial_id, cell_id, {labels} FROM trials JOIN cells USING (cell_id)")
    found: dict[str, tuple[str, list[int]]] = {}
    for trial, cell_id, *axes in rows:
        found.setdefault(cell_id, (" ".join(map(str, axes)), []))[1].append(of_trial[trial])
    usages = (CellUsage(cell_id, label, sum(sizes), len(sizes)) for cell_id, (label, sizes) in found.items())
    yield from sorted((usage for usage in usages if usage.bytes), key=lambda usage: -usage.bytes)
