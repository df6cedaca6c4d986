"""Tasks and events for tests of the engine."""

from datetime import UTC, datetime
from pathlib import Path

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Event, Failure, FailureKind, Started
from tests.orchestrator import sample
from tests.trainables.epoch_rows import epoch_row
from trainables.dataset import DataLocation
from trainables.protocol import Protocol
from trainables.records import Breakdown, TrialResult
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def trial_task(
    trial_id: str = "t", attempt: int = 1, *, seed: int = 0, limit: float | None = None, fuse: int = 1
) -> TrialTask:
    spec = TrialSpec(
        dataset=registry.get("dataset", "digits").from_parameters({}),
        model=registry.get("model", "mlp").from_parameters({"hidden": [8]}),
        optimizer=registry.get("optimizer", "sgd").from_parameters({}),
        regularizers=(),
        protocol=Protocol(epochs=1, trial_timeout=limit, fuse=fuse),
        seed=seed,
        fingerprint="0",
    )
    return TrialTask(trial_id, attempt, spec, DataLocation(None, None, Path("cache")), None)


def result() -> TrialResult:
    return sample.result(None, epochs=1, breakdown=Breakdown())


def started(trial_id: str = "t", attempt: int = 1) -> Event:
    return Started(trial_id, attempt, "slot-1", "host", 1, NOW)


def epoch_done(trial_id: str = "t", attempt: int = 1) -> Event:
    return EpochDone(trial_id, attempt, epoch_row())


def ended(trial_id: str = "t", attempt: int = 1) -> AttemptFinished:
    return AttemptFinished(trial_id, attempt, result(), NOW, "")


def failed_event(
    kind: FailureKind = FailureKind.ERROR, message: str = "why", trial_id: str = "t", attempt: int = 1
) -> AttemptFailed:
    return AttemptFailed(trial_id, attempt, Failure(kind, message), NOW, "")
