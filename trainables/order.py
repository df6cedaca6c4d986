"""What is handed to a slot for one attempt at a trial."""

from __future__ import annotations  # who only reads results (`orch status`) comes by here and must not wait for torch

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trainables.dataset import DataPlace
    from trainables.spec import TrialSpec


@dataclass(frozen=True)
class Checkpoints:
    """Where the state of a trial is kept while it runs, and how often."""

    folder: Path
    """The trial's own; made with the first checkpoint."""
    seconds: float
    """Kept after an epoch when so much time has passed since the last one, or since training began."""
    keep: Literal["unfinished", "last", "best"] = "unfinished"
    """`last`: the last epoch's whatever the time; `best`: the selected epoch's beside it."""
    resume: int = 0
    """The epoch that the attempt goes on from, as its slot has found it; 0 is from the beginning."""


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
    purpose: Literal["evaluation", "tuning"] = "evaluation"
    """A tuning trial is measured on validation alone: it never reads the test split."""
    checkpoints: Checkpoints | None = None
    """None where none are kept."""

    def resumed_at(self, epoch: int) -> TrialOrder:
        """The same, going on from this epoch."""
        if self.checkpoints is None or self.checkpoints.resume == epoch:
            return self
        return replace(self, checkpoints=replace(self.checkpoints, resume=epoch))
