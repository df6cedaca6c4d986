"""Results, data, grids and cluster files lie in folders that this machine can open: the address of a store elsewhere is
refused in one place, before it becomes a folder of that name here.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orchestrator.errors import UserError
from orchestrator.text import one_line

VARIABLES: Final = ("ORCH_DATA", "ORCH_CACHE", "ORCH_JOURNAL_DIR")
"""Environment variables that name folders."""

# two letters at least, as C: is a disk elsewhere; one slash is what pathlib leaves of two
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def local_path(given: str | os.PathLike[str]) -> Path:
    """As a path. Raises UserError for an address such as `s3://bucket/results`, with what to do instead."""
    text = os.fspath(given)
    if (found := _SCHEME.match(text)) is None:
        return Path(text)
    shown = one_line(text)
    if found[1].lower() == "file":
        plain = "/" + text[found.end() :].lstrip("/")
        raise UserError(f"{shown} is an address, and orch takes paths: give {one_line(plain)}")
    raise UserError(
        f"{shown} is an address, and orch reads and writes folders of this machine: give a path, such as one below which"
        f" that store is mounted, or copy there what the sweep has left (a folder that is so called: ./{shown})"
    )


def whole_path(path: Path) -> Path:
    """From the root. Raises UserError where that has a name that is not UTF-8: tables and rows could not say it, and where
    the working directory, from which it is named, was deleted.
    """
    if not path.is_absolute():
        refuse_deleted_working_directory()
    whole = path.absolute()
    try:
        str(whole).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{one_line(str(whole))} has a name that is not UTF-8; rename it, or use another folder"
        ) from None
    return whole


def refuse_deleted_working_directory() -> None:
    """Raises UserError: what is named from it is nowhere, and libraries that look for their own files fail there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError("the working directory was deleted; change to one that exists, and try again") from None


def refuse_addresses_in(environment: Mapping[str, str]) -> None:
    """Raises UserError where a variable that names a folder holds an address."""
    for name in VARIABLES:
        try:
            local_path(environment.get(name, ""))
        except UserError as wrong:
            raise UserError(f"{name}: {wrong}") from None
