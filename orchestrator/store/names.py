"""Names of files that were read out of a file, or came from another machine: what they may lead to.

Whoever wrote that file chose them. So none is joined to a path before it was seen here.
"""

import os
from pathlib import Path, PurePosixPath


def leads_out(name: object) -> str | None:
    """Why this is no name of a file below a folder; None where it is one. Nothing is looked at on the disk."""
    if not isinstance(name, str) or not name or not name.isprintable():
        return "it is no name"
    if _unencodable(name):
        return "no file can have that name"
    if name.startswith("/"):
        return "it is absolute"
    parts = name.split("/")
    if ".." in parts:
        return "it leads upwards"
    return "it is no plain path" if PurePosixPath(name).parts != tuple(parts) else None


def is_plain(name: object) -> bool:
    """Whether this is the name of one file or folder, which is not hidden."""
    return isinstance(name, str) and leads_out(name) is None and "/" not in name and not name.startswith(".")


def link_on_the_way(root: Path, name: str) -> Path | None:
    """The first of the folders between `root` and the file of this name that is a link, or is no folder."""
    for folder in reversed((root / name).relative_to(root).parents[:-1]):
        place = root / folder
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return place
    return None


def _unencodable(name: str) -> bool:
    try:
        return any(len(part) > 255 for part in os.fsencode(name).split(b"/"))
    except UnicodeEncodeError:
        return True
