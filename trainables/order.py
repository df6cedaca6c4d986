"""What is handed to a slot for one attempt at a trial."""

from __future__ import annotations  # who only reads results (`orch status`) comes by here and must not wait for torch

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.dataset import DataPlace
    from trainables.spec import TrialSpec


@dataclass(frozen=True)
class TrialOrder:
    """One attempt at one trial. Travels to another process, so everything in it can be pickled."""

    trial_id: str
    attempt: int
    """Counts from 1 over the life of the results directory."""
    spec: TrialSpec
    place: DataPlace
    weights: Path | None
    """Where the selected weights are kept (safetensors), or None."""
    picture: Path | None = None
    """Where a picture is kept (PNG), if the trial has one to show."""
