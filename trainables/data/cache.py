"""Decoded data sets: made once a machine, memory-mapped by every process, checked when opened.

A folder holds one array a file and `meta.json` with their sizes and checksums. It is written under another name and
renamed when whole, by one process at a time, so what has the final name was finished; a flipped bit or a truncated file
is found by its checksum, and the folder is made anew.
"""

import json
import os
import shutil
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.checks import check_examples
from trainables.data.content import LARGE, stamps, steadily, total_size
from trainables.data.files import open_regular, read_regular
from trainables.data.own_folders import tag_cache
from trainables.data.pixels import shown
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples, StreamedExamples
from trainables.errors import DataError, DataMissing

_FORMAT: Final = 3
"""Raised when the files come to mean something else; folders of an older format are left alone."""
_ARRAYS: Final = ("inputs", "targets", "official_test", "groups", "content_hashes")
_NO_GROUP: Final = -1
_META: Final = "meta.json"
_CHUNK: Final = 1 << 20
_LONGEST_META: Final = 1 << 28
"""Bytes: it names the classes, of which there may be many."""

_verified: set[Path] = set()
"""Folders whose checksums this process has compared."""


def decoded(dataset: Dataset, location: DataLocation, fingerprint: str) -> Examples:
    """The data set's examples as read-only maps of files under `location.cache`, decoded first where they are not there.

    They are as the data set's options on pixels ask (`data.pixels`); levels that differ in other options share one copy.
    Processes that ask at the same time decode once. Raises what `dataset.load` raises, and DataError when the examples
    are not as `dataset.info` says or cannot be written.
    """
    inputs, targets, official_test, groups, _ = _opened(_ready(dataset.as_decoded(), location, fingerprint))
    return Examples(inputs, targets, official_test, None if (groups[:1] == _NO_GROUP).all() else groups)


def content_hashes(dataset: Dataset, location: DataLocation, fingerprint: str) -> NDArray[np.uint64]:
    """uint64 (examples,), equal where two inputs are byte for byte (before `pixel_noise`, which would hide a copy).

    Kept with what `decoded` gives; raises the same.
    """
    hashes: NDArray[np.uint64] = _opened(_ready(dataset.as_decoded(), location, fingerprint))[-1]
    return hashes


def kept_info(dataset: Dataset, location: DataLocation, fingerprint: str) -> DataInfo:
    """Return what `info` said when the data was decoded, whatever lies there by now; raises what `decoded` does."""
    return kept_in(_ready(dataset.as_decoded(), location, fingerprint))


def hashes_at_hand(dataset: Dataset, location: DataLocation, fingerprint: str) -> NDArray[np.uint64] | None:
    """Return what `content_hashes` gives, where the data has been decoded before, and not compared with its checksum."""
    kept = _file(location.cache.absolute() / _folder_name(dataset.as_decoded(), fingerprint), "content_hashes")
    try:
        hashes: NDArray[np.uint64] = np.load(kept, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return hashes


def examples_at_hand(dataset: Dataset, location: DataLocation, fingerprint: str) -> "Contents | None":
    """Return what `contents` does, where the data has been decoded before, and not compared with its checksum."""
    folder = location.cache.absolute() / _folder_name(dataset.as_decoded(), fingerprint)
    try:
        inputs, targets, official_test, groups, hashes = _opened(folder)
        info = kept_in(folder)
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    grouped = None if (groups[:1] == _NO_GROUP).all() else groups
    return Contents(info, Examples(inputs, targets, official_test, grouped), hashes)


def kept_in(folder: Path) -> DataInfo:
    """Return what a decoded data set says of itself. Raises OSError, ValueError, KeyError, TypeError."""
    written = json.loads(read_regular(folder / _META, _LONGEST_META))["info"]
    return DataInfo(**{**written, "shape": tuple(written["shape"]), "classes": tuple(written["classes"])})


def refuse_other_content(dataset: Dataset, location: DataLocation, fingerprint: str) -> None:
    """Raises DataError where the data is not what was planned with."""
    if dataset.fingerprint(location) != fingerprint:
        raise DataError(
            f"{dataset.name}: the files are not those of the plan: they have changed since, or differ on this "
            f"machine; wait until nothing writes to them, and start again"
        )


def _ready(dataset: Dataset, location: DataLocation, fingerprint: str) -> Path:
    """The folder with the decoded data set, whole."""
    folder = location.cache.absolute() / _folder_name(dataset, fingerprint)
    if folder in _verified and folder.is_dir():
        return folder
    origin = _origin(dataset, location)
    if not _is_whole(folder, origin):
        with _locked(folder):
            # another process may have made it while this one waited
            if not _is_whole(folder, origin):
                _make(folder, dataset, location, fingerprint)
    _verified.add(folder)
    return folder


def _folder_name(dataset: Dataset, fingerprint: str) -> str:
    whole = f"{_FORMAT}\n{dataset.canonical()}\n{fingerprint}".encode()
    return f"{dataset.name}-{blake2b(whole, digest_size=8).hexdigest()}"


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


def _origin(dataset: Dataset, location: DataLocation) -> str | None:
    """Return what tells apart the files of a data set whose fingerprint is of names and sizes; None where it is of content.

    None too where the files are gone by now: what was decoded of them is as good as before.
    """
    try:
        found = stamps(dataset.content_files(location))
    except (OSError, DataError):
        return None
    return blake2b(found.tobytes(), digest_size=16).hexdigest() if total_size(found) > LARGE else None


def _is_whole(folder: Path, origin: str | None) -> bool:
    """Whether every file has the checksum that it was written with, and all are of these files."""
    try:
        written = json.loads(read_regular(folder / _META, _LONGEST_META))
        crc32, of_these = written["crc32"], origin in (None, written["origin"])
        return of_these and all(_checksum(_file(folder, name)) == crc32[name] for name in _ARRAYS)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make(folder: Path, dataset: Dataset, location: DataLocation, fingerprint: str) -> None:
    """Decode into a folder of another name, then give it its own. Called under the lock."""
    unfinished = f".{folder.name}."
    for left in folder.parent.glob(f"{unfinished}*"):
        shutil.rmtree(left, ignore_errors=True)  # by a process that died: whoever makes one holds the lock
    examples, info, origin = _loaded(dataset, location, fingerprint)
    pixels = shown(examples.inputs, dataset)
    groups = np.full(len(examples), _NO_GROUP) if examples.groups is None else examples.groups
    arrays = {
        "inputs": pixels.inputs,
        "targets": examples.targets,
        "official_test": examples.official_test,
        "groups": groups,
        "content_hashes": _hashed(pixels.content),
    }
    try:
        temporary = folder.parent / f"{unfinished}{token_hex(8)}"
        temporary.mkdir()
        try:
            _write(temporary, arrays, info, origin)
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would not be made again
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as refused:
        raise _unwritable(folder.parent, refused) from refused


def _loaded(dataset: Dataset, location: DataLocation, fingerprint: str) -> tuple[Examples, DataInfo, str | None]:
    """The examples of this fingerprint, what the data set says of them, and where they are from. Raises DataError."""

    def load() -> tuple[Examples, DataInfo, str | None]:
        refuse_other_content(dataset, location, fingerprint)
        origin, info = _origin(dataset, location), dataset.info(location)
        examples = dataset.load(location)
        check_examples(examples, info)
        return examples, info, origin

    try:
        loaded = steadily(lambda: dataset.content_files(location), load)
    except OSError as refused:
        raise DataError(f"cannot read the data: {refused}") from refused
    if not dataset.content_files(location):  # it does not tell what to watch
        refuse_other_content(dataset, location, fingerprint)
    return loaded


def _write(folder: Path, arrays: dict[str, NDArray[Any]], info: DataInfo, origin: str | None) -> None:
    for name, array in arrays.items():
        with _file(folder, name).open("xb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
    checksums = {name: _checksum(_file(folder, name)) for name in arrays}
    meta = {"crc32": checksums, "info": asdict(info), "origin": origin}
    (folder / _META).write_text(json.dumps(meta))


def _opened(folder: Path) -> list[NDArray[Any]]:
    return [np.load(_file(folder, name), mmap_mode="r", allow_pickle=False) for name in _ARRAYS]


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _checksum(path: Path) -> int:
    """CRC-32 of the bytes: it guards against damage, not against malice."""
    value = 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _hashed(inputs: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.uint64]:
    rows = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    digests = b"".join(blake2b(row.data, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _unwritable(cache: Path, refused: OSError) -> DataError:
    return DataError(
        f"decoded data cannot be kept in {cache}: {refused}; free some space, or choose another folder with ORCH_CACHE"
    )


# The examples of a data set and what tells their contents apart, whether they are decoded once or while they are
# used.


@dataclass(frozen=True, slots=True)
class Contents:
    """A data set as its fingerprint says it is, whatever becomes of its files."""

    info: DataInfo
    """Without the data set's options."""
    examples: Examples | StreamedExamples
    hashes: NDArray[np.uint64]
    """(examples,), equal where two have the same content."""


def contents(dataset: Dataset, location: DataLocation, fingerprint: str) -> Contents:
    """Return what has this fingerprint. Raises DataError, as `decoded` does, where the files are others by now."""
    streamed = dataset.streamed(location)
    if streamed is not None:
        hashes, info = streamed.decoder.content_hashes(), dataset.info(location)
        refuse_other_content(dataset, location, fingerprint)
        return Contents(info, streamed, hashes)
    examples, hashes = decoded(dataset, location, fingerprint), content_hashes(dataset, location, fingerprint)
    return Contents(kept_info(dataset, location, fingerprint), examples, hashes)


# The place of data on the machine that a trial runs on, which need not be the one where it was ordered.


def cache_folder() -> Path:
    """ORCH_CACHE, else `orch` in the user's cache folder (XDG Base Directory Specification).

    Raises DataMissing where the user has neither a home nor a name.
    """
    if own := os.environ.get("ORCH_CACHE"):
        return Path(own).resolve()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "orch"
    try:
        return Path.home() / ".cache" / "orch"
    except RuntimeError:
        raise DataMissing(
            f"there is nowhere to keep decoded data: user {os.getuid()} has no home folder; set ORCH_CACHE to a folder that"
            " can be written to"
        ) from None


def local_location(location: DataLocation) -> DataLocation:
    """The place on this machine: the same data folder, and a cache of its own. Raises DataMissing without the folder.

    A place without a host is any machine's as it is.
    """
    host = socket.gethostname()
    if location.data is not None and not location.data.is_dir():
        raise DataMissing(
            f"the data folder {location.data} is not there on {host}: every node needs it under the path that `data` in the"
            " cluster file says"
        )
    return location if location.host in ("", host) else replace(location, cache=cache_folder())
