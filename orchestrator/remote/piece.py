"""What `orch fetch` is sent: pieces of an archive, and which files may be in it. Both sides keep to the same rules, and the
side that fetches trusts nothing that was sent.
"""

import json
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final

from orchestrator.store.files import is_plain, leads_out

PIECE_BYTES: Final = 16 * 2**20
MAX_BYTES: Final = 2**36
"""Of an archive."""
_OF_JOURNAL: Final = (".sqlite", ".sqlite-wal", ".seal", ".mark")
"""Endings. The log too: it has what was committed last where a sweep was killed."""
_LEFT_OUT: Final = ("checkpoints", "damaged", "wandb", "wandb.log")
_DEEPEST: Final = 16
"""Folders within each other."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DENSEST: Final = 100
"""Times its own size is the most that an archive may unpack to."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an archive."""

    name: str
    """Of the sweep."""
    size: int
    """Bytes of the whole archive."""
    sha256: str
    """Of the whole archive."""
    running: bool
    """Whether the sweep ran when it was packed: its journal is not in it then."""
    content: str
    """Base64."""

    def data(self) -> bytes:
        """Raises ValueError."""
        return b64decode(self.content, validate=True)

    @classmethod
    def parsed(cls, text: str) -> "Piece":
        """Raises ValueError where it is none, whatever else it is."""
        try:
            piece = cls(**json.loads(text))
        except (TypeError, RecursionError) as error:
            raise ValueError("it is no piece of an archive") from error
        if not is_plain(piece.name):
            raise ValueError("the name of its sweep is none")
        if type(piece.size) is not int or not 0 < piece.size <= MAX_BYTES:
            raise ValueError(
                f"it would have {piece.size!r:.40} bytes, and {MAX_BYTES} are the most; copy it with rsync"
            )
        if not isinstance(piece.sha256, str) or not _SHA256.fullmatch(piece.sha256):
            raise ValueError("its checksum is none")
        if type(piece.running) is not bool or not isinstance(piece.content, str):
            raise ValueError("it is no piece of an archive")
        return piece


def is_sent(name: str, running: bool) -> bool:
    """Whether a file of this name, within the results, is copied. running: the journal stays with its sweep then."""
    if leads_out(name) is not None:
        return False
    first, *_ = parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    stays = first.startswith("journal.") and (running or not name.endswith(_OF_JOURNAL) or name != first)
    return not (hidden or stays or first in _LEFT_OUT or len(parts) > _DEEPEST)


def max_unpacked(size: int) -> int:
    """Bytes that an archive of this size may unpack to. A small one is mostly padding, which takes no room."""
    return max(_DENSEST * size, PIECE_BYTES)
