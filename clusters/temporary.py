"""Temporary folders that are made, with room in them, or told of in words of the user's. Imports no ray."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from clusters.errors import NoTemporaryFolder

ROOM: Final = 4 * 2**20
"""Bytes that a folder has to have room for: our code, or what a local Ray writes in a short sweep."""


def temporary_folder(prefix: str, root: Path | None = None) -> Path:
    """A new one, for this user alone, in `root` or where Python finds a place (TMPDIR first). Raises NoTemporaryFolder."""
    fix = (
        "set TMPDIR to a folder that can be written to" if root is None else f"make {root} writable, with some MiB free"
    )
    try:
        place = Path(tempfile.gettempdir()) if root is None else root
    except FileNotFoundError as error:  # its text names all that it has tried
        raise NoTemporaryFolder(f"no temporary folder can be made: {error.strerror}", fix) from error
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise NoTemporaryFolder(f"no temporary folder can be made in {place}: {error.strerror}", fix) from error
    return folder
