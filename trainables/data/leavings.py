"""Files among the pictures that are not read, counted by their endings: a user would take them for part of the data."""

import re
from collections.abc import Collection
from typing import Final

from trainables.data.printable import printable
from trainables.outline import LeftOut

_ENDING: Final = re.compile(r"\.[A-Za-z0-9_~]{1,12}")
_SYSTEMS: Final = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
"""Written by a file manager of its own accord, like hidden files."""


class Leavings:
    """A tally."""

    def __init__(self, read: Collection[str] = ()) -> None:
        """read: paths of files that are read as something else."""
        self._read = frozenset(read)
        self._found: dict[str, LeftOut] = {}

    def add(self, path: str, where: str = "") -> None:
        """where: said behind the ending."""
        name = path.rpartition("/")[2]
        if name.startswith(".") or name.lower() in _SYSTEMS or path in self._read:
            return
        stem, dot, last = name.rpartition(".")
        fits = bool(stem) and _ENDING.fullmatch(f"{dot}{last}")
        what = f"{dot}{last.lower()}" if fits else "no ending"
        what = f"{what} {where}".rstrip()
        known = self._found.get(what)
        self._found[what] = LeftOut(
            what, 1 + (known.files if known else 0), known.example if known else printable(path)
        )

    def all(self) -> tuple[LeftOut, ...]:
        """The most frequent first."""
        return tuple(sorted(self._found.values(), key=lambda left: (-left.files, left.what)))
