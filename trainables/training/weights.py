"""Weights on disk: safetensors, never pickle, and never half a file.

The format (https://github.com/huggingface/safetensors, "Format"): 8 bytes with the length of the header, the header as
JSON, and the tensors' bytes without holes. A file of weights comes from anywhere, so every sentence of the header counts
as a claim, and is checked against the file before anything is made of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trainables.data.files import atomic_write
from trainables.errors import WeightsError

_LENGTH: Final = 8
_LONGEST: Final = 16 << 20
"""Bytes of a header: some 100,000 tensors. A longer one is there to fill the memory."""
_BYTES: Final = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
_FRACTIONS: Final = frozenset({"F64", "F32", "F16", "BF16"})
_MAX_AXES: Final = 8
_MAX_NUMBERS: Final = 1 << 48
_KEYS: Final = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True)
class WeightsHeader:
    """The tensors of a file, and what else it says of itself."""

    shapes: dict[str, tuple[int, ...]]
    """Of each tensor by its name."""
    whole: frozenset[str]
    """Names of those that hold whole numbers or truth values."""
    metadata: dict[str, str]


def read_header(path: Path) -> WeightsHeader:
    """The header of a safetensors file. Raises WeightsError where it is none, or where the header lies."""
    if not path.is_file():
        raise WeightsError(f"the weights {path} are not a file")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = file.read(_LENGTH)
            length = int.from_bytes(start, "little")
            _refuse_other_formats(start, file.read(1), path)
            if length > min(size - _LENGTH, _LONGEST):
                raise _broken(
                    path,
                    f"its header is said to take {length:,} bytes of the file's {size:,}; at most {_LONGEST:,} are read",
                )
            file.seek(_LENGTH)
            text = file.read(length)
    except OSError as refused:
        raise WeightsError(f"cannot read the weights in {path}: {refused}") from refused
    return checked_header(text, size - _LENGTH - length, path)


def checked_header(text: bytes, data: int, path: Path) -> WeightsHeader:
    """A header that is true of `data` bytes of tensors. Raises WeightsError."""
    try:
        said = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as wrong:
        raise _broken(path, f"its header cannot be read as JSON ({wrong})") from None
    if not isinstance(said, dict):
        raise _broken(path, "its header is not a JSON object")
    metadata = said.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _broken(path, "its metadata is not a mapping of texts")
    places = [_place(name, entry, path) for name, entry in said.items()]
    _refuse_holes(places, data, path)
    whole = frozenset(name for name in said if said[name]["dtype"] not in _FRACTIONS)
    return WeightsHeader({name: tuple(said[name]["shape"]) for name in said}, whole, metadata)


def _refuse_other_formats(start: bytes, header: bytes, path: Path) -> None:
    """A header begins with a brace. Files of `torch.save` are zip archives of a pickle, older ones bare pickles."""
    if header == b"{":
        return
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise WeightsError(
            f"{path} is a pickle (such as torch.save writes), which can run code when it is read; nothing of it was read. "
            "Weights have to be safetensors: where you trust the file, write its tensors anew with "
            "safetensors.torch.save_file"
        )
    raise _broken(path, "it does not begin with a header")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name appears twice")
    return dict(pairs)


def _place(name: str, entry: Any, path: Path) -> tuple[int, int, str]:
    """Return where a tensor's bytes begin and end, its name for messages; its length is that of its type and shape."""
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise _broken(path, f"{_short(name)} does not have a type, a shape and offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _BYTES:
        raise _broken(path, f"{_short(name)} has the type {_short(kind)}; known are {', '.join(_BYTES)}")
    if not _are_counts(shape) or len(shape) > _MAX_AXES or prod(shape) > _MAX_NUMBERS:
        raise _broken(path, f"{_short(name)} has the shape {_short(shape)}")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _broken(path, f"{_short(name)} has the offsets {_short(offsets)}")
    begin, end = offsets
    needed = prod(shape) * _BYTES[kind]
    if end - begin != needed:
        raise _broken(path, f"{_short(name)} takes {end - begin:,} bytes, but {kind} of shape {shape} needs {needed:,}")
    return begin, end, name


def _refuse_holes(places: Iterable[tuple[int, int, str]], data: int, path: Path) -> None:
    reached = 0
    for begin, end, name in sorted(places):
        if begin < reached:
            raise _broken(path, f"{_short(name)} overlaps the tensor before it")
        if begin > reached:
            raise _broken(path, f"there are {begin - reached:,} bytes before {_short(name)} that belong to no tensor")
        if end > data:
            raise _broken(path, f"{_short(name)} ends at byte {end:,}, of {data:,}; the file may be cut short")
        reached = end
    if reached != data:
        raise _broken(path, f"its tensors take {reached:,} bytes, the file holds {data:,}")


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _broken(path: Path, why: str) -> WeightsError:
    return WeightsError(f"{path} is not a safetensors file that can be used: {why}")


def save_weights(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a module's `state_dict()` so that a reader sees the whole file or none. Raises OSError."""
    # safetensors takes neither tensors that share memory nor other layouts than row by row
    plain = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    atomic_write(save(plain, dict(metadata)), path)


def load_checked(path: Path, content: str | None) -> dict[str, Tensor]:
    """The tensors by name of a file from anywhere. Raises WeightsError: damaged, or not of this content.

    content: as `weights_digest` gives it, or None where any will do.
    """
    read_header(path)
    try:
        data = path.read_bytes()
        if content is not None and _digest(data) != content:
            raise WeightsError(f"the weights in {path} are not those that were planned; the file has changed since")
        return load(data)
    except (OSError, SafetensorError) as refused:
        raise WeightsError(f"cannot read the weights in {path}: {refused}") from refused


def weights_digest(path: Path) -> str:
    """32 hex digits of the file's bytes. Raises OSError."""
    return _digest(path.read_bytes())


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
