"""`orch clean`: files of trials that no grid names go, and nothing else; rows stay (ADR 26)."""

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.errors import UserError
from orchestrator.store.files import irregularity, is_plain
from orchestrator.store.journal import Journal
from orchestrator.store.paths import KEPT, OLDER_JOURNALS, ResultsPaths, may_be_kept
from orchestrator.store.tables import Checksums
from trainables.data.files import CHECKPOINTS, DAMAGED, IMAGES, WEIGHTS

_CALLED: Final = {WEIGHTS: "weights", IMAGES: "pictures"}


@dataclass(frozen=True, slots=True)
class Remains:
    """Files of one kind that can go."""

    what: str
    names: tuple[str, ...]
    """Within the results directory; of checkpoints and copies, of folders."""
    bytes: int


def remains(paths: ResultsPaths, journal: Journal, named: Collection[str], *, copies: bool) -> list[Remains]:
    """What can go, where anything can. Links, and whatever is not called as orch calls its files, are never among it.

    named: trials that grids name beside the latest sweep's. copies: older journals and copies of damaged files too.
    """
    stay = {trial for (trial,) in journal.query("SELECT trial_id FROM trials WHERE planned")} | set(named)
    stay |= {old for old, new in journal.renamed_trials().items() if new in stay}  # files may have the old names still
    found = [(_CALLED[folder], list(_left(paths, folder, stay))) for folder in KEPT]
    found.append(("checkpoints", list(_folders(paths.root, CHECKPOINTS, stay))))
    if copies:
        found.append(("copies of damaged files", list(_folders(paths.root, DAMAGED, ()))))
        older = [path for path in paths.root.glob(OLDER_JOURNALS) if irregularity(path) is None]
        found.append(("journals of older versions", [path.name for path in older]))
    return [Remains(what, tuple(sorted(names)), _bytes(paths.root, names)) for what, names in found if names]


def remove(paths: ResultsPaths, every: Sequence[Remains], check: Callable[[], None]) -> None:
    """For the holder of the lock. check: raises where the directory is somebody else's by now. Raises DamagedResults where
    checksums cannot be read, and then nothing is removed; UserError where a file may not be.
    """
    names = [name for one in every for name in one.names]
    known = Checksums.read(paths.checksums)
    gone = set(names)
    check()
    try:
        if (
            gone & known.kept.keys()
        ):  # before the files go: a file without a checksum is no damage, the other way round is
            kept = {name: kept for name, kept in known.kept.items() if name not in gone}
            replace(known, kept=kept).write(paths.checksums)
        for name in names:
            check()
            _remove(paths.root, name)
    except OSError as error:
        raise UserError(f"cannot remove all of it from {paths.root}: {error}; the rest can be removed later") from error


def _left(paths: ResultsPaths, folder: str, stay: Collection[str]) -> Iterator[str]:
    if _is_folder(paths.root / folder):
        for path in (paths.root / folder).iterdir():
            name = f"{folder}/{path.name}"
            if may_be_kept(name) and path.stem not in stay and irregularity(path) is None:
                yield name


def _folders(root: Path, folder: str, stay: Collection[str]) -> Iterator[str]:
    if _is_folder(root / folder):
        for path in (root / folder).iterdir():
            if is_plain(path.name) and path.name not in stay and _is_folder(path):
                yield f"{folder}/{path.name}"


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _bytes(root: Path, names: Sequence[str]) -> int:
    return sum(_size(root / name) for name in names)


def _size(path: Path) -> int:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    walked = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(one.lstat().st_size for one in walked)


def _remove(root: Path, name: str) -> None:
    """By way of descriptors: where somebody puts a link in place of a folder meanwhile, it is not followed."""
    folder, _, leaf = name.rpartition("/")
    with _opened(root) as within, _opened(folder, within) if folder else _opened(root) as parent:
        status = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(leaf, dir_fd=parent)
        elif stat.S_ISREG(status.st_mode):
            os.unlink(leaf, dir_fd=parent)


@contextmanager
def _opened(folder: str | Path, within: int | None = None) -> Iterator[int]:
    how = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if within is not None else 0)
    descriptor = os.open(folder, how, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
