"""The files of a trial's checkpoints: `epoch-N.safetensors` with the tensors and `epoch-N.json` with all else.

The JSON is written last: it is what makes a checkpoint exist. It holds the checksum of the tensors and its own, so that
whatever was damaged since is seen. Nothing is ever unpickled.
"""

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from errno import EINVAL, ELOOP
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from safetensors.torch import save
from torch import Tensor

from trainables.errors import CheckpointError
from trainables.regular_file import is_hole, open_regular
from trainables.whole_file import write_whole

FORMAT: Final = 1
"""Raised when a file comes to hold something else. Other formats are not read: such a trial starts anew."""
_NAME: Final = re.compile(r"epoch-(\d{1,9})\.json")


@dataclass(frozen=True, slots=True)
class Header:
    """Whose state it is."""

    trial_id: str
    configuration: str
    """Identity of what the trial runs. Not the same as `trial_id` where tuning has chosen other values since."""
    epoch: int
    world_size: int
    device: str
    """`cpu` or `cuda`: random generators of one are not those of the other."""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Contents:
    """Of one checkpoint, as they stand in its files."""

    header: Header
    state: Any
    """JSON."""
    tensors: bytes
    """In the safetensors format."""


def write(folder: Path, header: Header, state: Any, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint, whole or not at all. Raises OSError."""
    data = save(dict(tensors))
    refuse_link(folder)
    write_whole(data, _tensors(folder, header.epoch))
    content = {"header": asdict(header), "tensors": _digest(data), "state": state}
    text = json.dumps({"checksum": _digest(_line(content)), "content": content})
    write_whole(text.encode(), _json(folder, header.epoch))


def read(folder: Path, epoch: int) -> Contents:
    """Raises CheckpointError: it is damaged, or of another format."""
    try:
        return parsed(*raw(folder, epoch))
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error}") from error


def parsed(text: bytes, tensors: bytes) -> Contents:
    """The contents of a checkpoint's two files. Raises CheckpointError: damaged, or of another format."""
    try:
        document = json.loads(text)
        content, checksum = document["content"], document["checksum"]
        header, digest, state = content["header"], content["tensors"], content["state"]
        if header["format"] != FORMAT:
            raise CheckpointError(f"is of format {header['format']}, not {FORMAT}")
        found = Contents(Header(**header), state, tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError("is damaged: its JSON cannot be read") from error
    if _digest(_line(content)) != checksum:
        raise CheckpointError("is damaged: its JSON does not have its checksum")
    if _digest(tensors) != digest:
        raise CheckpointError("is damaged: its tensors do not have their checksum")
    return found


def raw(folder: Path, epoch: int) -> tuple[bytes, bytes]:
    """JSON and tensors as `parsed` takes them. Raises OSError."""
    found = []
    for path in (_json(folder, epoch), _tensors(folder, epoch)):
        with open_regular(path) as file:
            if is_hole(os.fstat(file.fileno())):
                raise OSError(EINVAL, "it is nearly all a hole", str(path))
            found.append(file.read())
    return found[0], found[1]


def epochs(folder: Path) -> list[int]:
    """Of the checkpoints that are there, the newest first."""
    try:
        found = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    except OSError:  # mostly there is no folder
        return []
    return sorted((int(match[1]) for match in found if match), reverse=True)


def keep_only(folder: Path, kept: Collection[int]) -> None:
    """Remove all other checkpoints, and what an attempt that was killed left unfinished. Raises OSError."""
    refuse_link(folder)
    names = {path.name for epoch in kept for path in (_json(folder, epoch), _tensors(folder, epoch))}
    # a checkpoint stops being there with its JSON, so that goes first
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".json"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def refuse_link(folder: Path) -> None:
    """Where the folder of a trial leads elsewhere, what lies there is not its checkpoints. Raises OSError."""
    if folder.is_symlink():
        raise OSError(ELOOP, "it is a link, and nothing is written through one", str(folder))


def _json(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch}.json"


def _tensors(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch}.safetensors"


def _line(content: Any) -> bytes:
    """The same for what was written and what is read: numbers keep their shortest form, keys their order."""
    return json.dumps(content, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
