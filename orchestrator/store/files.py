"""Files that are there as a whole or not at all, and digests of them."""

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 20


def replace_durably(path: Path, content: bytes) -> None:
    """Put a file in place, so that a reader, and a machine that loses its power, has the old one or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")  # there is one writer, who holds the lock
    try:
        temporary.write_bytes(content)
        durable(temporary)
        temporary.replace(path)
        durable(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def durable(path: Path) -> None:
    """A file's content, or a folder's list of names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """32 hex digits of a file's content. Raises OSError."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
