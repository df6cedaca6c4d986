"""Decoded data sets: made once a machine, memory-mapped by every process, checked when opened.

Each lies in a folder of its own (`data.array_folder`): made by one process while the others wait, never used when damaged
or half-made.
"""

import os
import socket
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data import array_folder
from trainables.data.checks import check_examples
from trainables.data.content import LARGE, stamps, steadily, total_size
from trainables.data.pixels import shown
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples, StreamedExamples
from trainables.errors import DataError, DataMissing

_FORMAT: Final = 3
"""Raised when the files come to mean something else; folders of an older format are left alone."""
_ARRAYS: Final = ("inputs", "targets", "official_test", "groups", "content_hashes")
_NO_GROUP: Final = -1


def decoded(dataset: Dataset, location: DataLocation, fingerprint: str) -> Examples:
    """The data set's examples as read-only maps of files under `location.cache`, decoded first where they are not there.

    They are as the data set's options on pixels ask (`data.pixels`); levels that differ in other options share one copy.
    Processes that ask at the same time decode once. Raises what `dataset.load` raises, and DataError when the examples
    are not as `dataset.info` says or cannot be written.
    """
    folder = _ready(dataset.as_decoded(), location, fingerprint)
    inputs, targets, official_test, groups, _ = array_folder.opened(folder, _ARRAYS)
    return Examples(inputs, targets, official_test, None if (groups[:1] == _NO_GROUP).all() else groups)


def content_hashes(dataset: Dataset, location: DataLocation, fingerprint: str) -> NDArray[np.uint64]:
    """uint64 (examples,), equal where two inputs are byte for byte (before `pixel_noise`, which would hide a copy).

    Kept with what `decoded` gives; raises the same.
    """
    hashes: NDArray[np.uint64] = array_folder.opened(_ready(dataset.as_decoded(), location, fingerprint), _ARRAYS)[-1]
    return hashes


def kept_info(dataset: Dataset, location: DataLocation, fingerprint: str) -> DataInfo:
    """Return what `info` said when the data was decoded, whatever lies there by now; raises what `decoded` does."""
    return kept_in(_ready(dataset.as_decoded(), location, fingerprint))


def hashes_at_hand(dataset: Dataset, location: DataLocation, fingerprint: str) -> NDArray[np.uint64] | None:
    """Return what `content_hashes` gives, where the data has been decoded before, and not compared with its checksum."""
    folder = location.cache.absolute() / _folder_name(dataset.as_decoded(), fingerprint)
    try:
        hashes: NDArray[np.uint64] = np.load(array_folder.file_of(folder, "content_hashes"), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return hashes


def examples_at_hand(dataset: Dataset, location: DataLocation, fingerprint: str) -> "Contents | None":
    """Return what `contents` does, where the data has been decoded before, and not compared with its checksum."""
    folder = location.cache.absolute() / _folder_name(dataset.as_decoded(), fingerprint)
    try:
        inputs, targets, official_test, groups, hashes = array_folder.opened(folder, _ARRAYS)
        info = kept_in(folder)
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    grouped = None if (groups[:1] == _NO_GROUP).all() else groups
    return Contents(info, Examples(inputs, targets, official_test, grouped), hashes)


def kept_in(folder: Path) -> DataInfo:
    """Return what a decoded data set says of itself. Raises OSError, ValueError, KeyError, TypeError."""
    written = array_folder.read_meta(folder)["info"]
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

    def of_these_files(meta: array_folder.Meta) -> bool:
        return _origin(dataset, location) in (None, meta["origin"])

    array_folder.ready(folder, _ARRAYS, lambda: _make(folder, dataset, location, fingerprint), of_these_files)
    return folder


def _folder_name(dataset: Dataset, fingerprint: str) -> str:
    whole = f"{_FORMAT}\n{dataset.canonical()}\n{fingerprint}".encode()
    return f"{dataset.name}-{blake2b(whole, digest_size=8).hexdigest()}"


def _origin(dataset: Dataset, location: DataLocation) -> str | None:
    """Return what tells apart the files of a data set whose fingerprint is of names and sizes; None where it is of content.

    None too where the files are gone by now: what was decoded of them is as good as before.
    """
    try:
        found = stamps(dataset.content_files(location))
    except (OSError, DataError):
        return None
    return blake2b(found.tobytes(), digest_size=16).hexdigest() if total_size(found) > LARGE else None


def _make(folder: Path, dataset: Dataset, location: DataLocation, fingerprint: str) -> None:
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
    with array_folder.being_made(folder) as unfinished:
        for name, array in arrays.items():
            array_folder.write_array(unfinished, name, array)
        array_folder.write_meta(unfinished, _ARRAYS, {"info": asdict(info), "origin": origin})


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


def _hashed(inputs: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.uint64]:
    rows = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    digests = b"".join(blake2b(row.data, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


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
    inputs_key: str | None = None
    """Equal where the inputs of two are, bit for bit; None where they are decoded while they are used."""


def contents(dataset: Dataset, location: DataLocation, fingerprint: str) -> Contents:
    """Return what has this fingerprint. Raises DataError, as `decoded` does, where the files are others by now."""
    streamed = dataset.streamed(location)
    if streamed is not None:
        hashes, info = streamed.decoder.content_hashes(), dataset.info(location)
        refuse_other_content(dataset, location, fingerprint)
        return Contents(info, streamed, hashes)
    examples, hashes = decoded(dataset, location, fingerprint), content_hashes(dataset, location, fingerprint)
    return Contents(
        kept_info(dataset, location, fingerprint), examples, hashes, _inputs_key(dataset, location, fingerprint)
    )


def _inputs_key(dataset: Dataset, location: DataLocation, fingerprint: str) -> str:
    """The folder says of what they were decoded; of large files that is names and sizes, hence the checksum."""
    folder = _ready(dataset.as_decoded(), location, fingerprint)
    return f"{folder.name} {array_folder.read_meta(folder)['crc32']['inputs']}"


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
