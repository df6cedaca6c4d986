"""What a user is told who may not do something to files that belong to another."""

import getpass
import os
import pwd
from pathlib import Path

from orchestrator.errors import UserError


def not_permitted(path: Path, error: PermissionError) -> UserError:
    """Of a file or a folder that may not be read."""
    owner = _owner(Path(error.filename) if isinstance(error.filename, str) else path)
    return UserError(
        f"{user_name()} may not read {error.filename or path}{owner}: ask for `chmod -R g+rX` (or a+rX) on the directory,"
        " or work on a copy"
    )


def user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"user {os.getuid()}"


def _owner(path: Path) -> str:
    """Of the nearest folder that may be looked at."""
    for place in (path, *path.absolute().parents):
        try:
            number = place.stat().st_uid
        except OSError:
            continue
        try:
            return f", which belongs to {pwd.getpwuid(number).pw_name}"
        except KeyError:
            return f", which belongs to user {number}"
    return ""
