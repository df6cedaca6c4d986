"""The note of a results directory that is a copy of a cluster's: where it came from."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from orchestrator.store.paths import ResultsPaths
from trainables.data.files import read_regular, replace_whole

_LONGEST: Final = 1 << 16
"""Bytes of a note."""


@dataclass(frozen=True, slots=True)
class FetchedFrom:
    """What it was made of."""

    cluster: str
    sha256: str
    """Of the archive."""
    running: bool
    """Whether the sweep ran there: its journal stayed."""


def read_fetched(paths: ResultsPaths) -> FetchedFrom | None:
    """None where there is no such note, or what is there is none."""
    try:
        note = FetchedFrom(**json.loads(read_regular(paths.fetched, _LONGEST)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return note if isinstance(note.cluster, str) and isinstance(note.running, bool) else None


def write_fetched(paths: ResultsPaths, note: FetchedFrom) -> None:
    """Raises OSError."""
    replace_whole(json.dumps(asdict(note)).encode(), paths.fetched)
