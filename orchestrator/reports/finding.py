"""What `orch doctor` says of one thing that it looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    state: Literal["ok", "note", "problem"]
    """`note`: a sweep runs, with less than it could have. `problem`: it cannot run."""
    found: str
    fix: str | None = None
