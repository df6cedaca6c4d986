"""Arrays that a machine makes once: a folder that every process maps, checked when it is opened.

A folder holds one array a file and `meta.json` with their checksums. It is written under another name and renamed when
whole, by one process at a time, so what has the final name was finished; a flipped bit or a truncated file is found by its
checksum, and the folder is made anew.
"""

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from trainables.data.files import open_regular, read_regular
from trainables.data.own_folders import tag_cache
from trainables.errors import DataError

_META: Final = "meta.json"
_CHUNK: Final = 1 << 20
_LONGEST_META: Final = 1 << 28
"""Bytes: that of a data set names the classes, of which there may be many."""

Meta = dict[str, Any]
"""What a folder says of itself, beside its checksums."""

_verified: set[Path] = set()
"""Folders whose checksums this process has compared."""


def ready(
    folder: Path, names: Sequence[str], make: Callable[[], None], usable: Callable[[Meta], bool] = lambda meta: True
) -> None:
    """See to it that the folder is there, whole and usable, once in a process; make it where it is not.

    names: of its arrays. make: writes the folder (`being_made`); called by one process at a time, under a lock that the
    system releases when its holder dies. Raises what `make` raises, and DataError where nothing can be written.
    """
    if folder in _verified and folder.is_dir():
        return
    if not _is_whole(folder, names, usable):
        with _locked(folder):
            # another process may have made it while this one waited
            if not _is_whole(folder, names, usable):
                make()
    _verified.add(folder)


@contextmanager
def being_made(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` where nothing was raised. Raises DataError."""
    unfinished = f".{folder.name}."
    for left in folder.parent.glob(f"{unfinished}*"):
        shutil.rmtree(left, ignore_errors=True)  # by a process that died: whoever makes one holds the lock
    try:
        temporary = folder.parent / f"{unfinished}{token_hex(8)}"
        temporary.mkdir()
        try:
            yield temporary
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would not be made again
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as refused:
        raise _unwritable(folder.parent, refused) from refused


def write_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    """Write an array. Raises OSError."""
    write_parts(folder, name, array.shape, array.dtype, [array])


def write_parts(
    folder: Path, name: str, shape: tuple[int, ...], dtype: DTypeLike, parts: Iterable[NDArray[Any]]
) -> None:
    """Write an array that comes in parts along its first axis, one of them in memory at a time. Raises OSError."""
    # no writable map: on a full disk it kills its process in place of an error
    with file_of(folder, name).open("xb") as file:
        descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).data)
        file.flush()
        os.fsync(file.fileno())


def write_meta(folder: Path, names: Sequence[str], said: Meta) -> None:
    """Write what the folder says of itself, with the checksums of its arrays. Raises OSError."""
    checksums = {name: _checksum(file_of(folder, name)) for name in names}
    (folder / _META).write_text(json.dumps({"crc32": checksums, **said}))


def read_meta(folder: Path) -> Meta:
    """Return what was written, with `crc32`. Raises OSError, ValueError."""
    meta = json.loads(read_regular(folder / _META, _LONGEST_META))
    if not isinstance(meta, dict):
        raise ValueError(f"{folder / _META} is no object")
    return meta


def opened(folder: Path, names: Sequence[str]) -> list[NDArray[Any]]:
    """The arrays as read-only maps. Raises OSError, ValueError, EOFError."""
    return [np.load(file_of(folder, name), mmap_mode="r", allow_pickle=False) for name in names]


def file_of(folder: Path, name: str) -> Path:
    """Where an array lies."""
    return folder / f"{name}.npy"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder, which one process at a time makes; the system releases the lock when its holder dies."""
    from filelock import FileLock  # 40 ms, and most commands find what they need

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tag_cache(folder.parent)
        lock = FileLock(folder.with_name(f"{folder.name}.lock")).acquire()
    except OSError as refused:
        raise _unwritable(folder.parent, refused) from refused
    with lock:
        yield


def _is_whole(folder: Path, names: Sequence[str], usable: Callable[[Meta], bool]) -> bool:
    """Whether every file has the checksum that it was written with, and whoever asks can use what is there."""
    try:
        meta = read_meta(folder)
        return usable(meta) and all(_checksum(file_of(folder, name)) == meta["crc32"][name] for name in names)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _checksum(path: Path) -> int:
    """CRC-32 of the bytes: it guards against damage, not against malice."""
    value = 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _unwritable(cache: Path, refused: OSError) -> DataError:
    return DataError(
        f"arrays cannot be kept in {cache}: {refused}; free some space, or choose another folder with ORCH_CACHE"
    )
