"""How far a sweep is: what its journal and its lock say at this moment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestrator.plan.extra_seeds import LatestLook
from orchestrator.plan.tuned import shown_text
from orchestrator.store import sql
from orchestrator.store.journal import Journal
from orchestrator.store.lock_note import Holder, living_holder
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import COPIED_AT
from results_schema import CONFIRMATION, RETRYABLE, still_to_run
from trainables import AXES

FAILURES_SHOWN: Final = 5

_LABELS: Final = ", ".join((*(f"cells.{axis}" for axis in AXES), "trials.seed", "trials.purpose", "trials.tuned"))


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that a slot executes."""

    trial_id: str
    label: str
    epoch: int
    """Epochs finished in this attempt."""
    since: datetime


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """A trial that broke, and why."""

    trial_id: str
    label: str
    status: str
    reason: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a sweep. Only planned trials count."""

    sweep: str | None
    counts: dict[str, int]
    """Status to number of trials."""
    tuning: int
    """Trials among them that tune."""
    unplanned: int
    """Trials of earlier grids whose rows are kept."""
    running: tuple[RunningTrial, ...]
    failures: tuple[FailedTrial, ...]
    """The latest first."""
    holder: Holder | None
    eta_seconds: float | None
    look: LatestLook | None = None
    """The latest look at the claims, where seeds are added until they are decided."""
    copied_at: str | None = None
    """ISO 8601: when the copy that this was read from was made, where the journal lies on another machine's disk."""

    @property
    def planned(self) -> int:
        return sum(self.counts.values())

    @property
    def open(self) -> int:
        """Trials that are still to be executed."""
        return still_to_run(self.counts)


def read_progress(paths: ResultsPaths, journal: Journal) -> Progress:
    """Raises DamagedResults."""
    counts = journal.counts()
    holder = living_holder(paths)
    return Progress(
        sweep=_sweep(journal),
        counts=counts,
        tuning=int(next(journal.query("SELECT count(*) FROM trials WHERE purpose = 'tuning' AND planned"))[0]),
        unplanned=_unplanned(journal, counts),
        running=_running(journal),
        failures=_failures(journal),
        holder=holder,
        eta_seconds=None if holder is None else _eta(journal, counts),
        look=LatestLook.read(journal),
        copied_at=journal.meta(COPIED_AT),
    )


def _sweep(journal: Journal) -> str | None:
    for condition in ("WHERE planned", ""):
        for row in journal.query(f"SELECT sweep FROM trials {condition} LIMIT 1"):
            return str(row[0])
    return None


def _unplanned(journal: Journal, counts: dict[str, int]) -> int:
    return int(next(journal.query("SELECT count(*) FROM trials"))[0]) - sum(counts.values())


def _running(journal: Journal) -> tuple[RunningTrial, ...]:
    rows = journal.query(
        f"SELECT trials.trial_id, {_LABELS}, (SELECT max(epoch) FROM epochs WHERE epochs.trial_id = trials.trial_id),"
        " started_at FROM trials JOIN cells USING (cell_id) WHERE status = 'running' ORDER BY started_at"
    )
    return tuple(RunningTrial(row[0], _label(row[1:8]), row[8] or 0, _time(row[9])) for row in rows)


def _failures(journal: Journal) -> tuple[FailedTrial, ...]:
    rows = journal.query(
        f"SELECT trials.trial_id, {_LABELS}, status, reason, finished_at FROM trials JOIN cells USING (cell_id)"
        f" WHERE status IN {sql.among(RETRYABLE)} AND planned ORDER BY finished_at DESC LIMIT ?",
        (FAILURES_SHOWN,),
    )
    return tuple(
        FailedTrial(row[0], _label(row[1:8]), row[8], row[9] or "", _time(row[10]) if row[10] else None) for row in rows
    )


def _eta(journal: Journal, counts: dict[str, int]) -> float | None:
    """Seconds left, at the rate at which the latest invocation has finished trials."""
    row = next(
        journal.query(
            "SELECT count(finished_at), min(started_at) FROM trials WHERE environment_id ="
            " (SELECT environment_id FROM environments ORDER BY started_at DESC, rowid DESC LIMIT 1)"
        )
    )
    left = still_to_run(counts)
    if not row[0]:
        return None
    passed: float = (datetime.now(UTC) - _time(row[1])).total_seconds()
    return max(0.0, left * passed / int(row[0]))


def _label(values: tuple[object, ...]) -> str:
    *levels, seed, purpose, tuned = values
    assert tuned is None or isinstance(tuned, str)
    trial = f"tuning {shown_text(tuned)}" if purpose == "tuning" else f"seed {seed}"
    trial = f"confirmation, {trial}" if purpose == CONFIRMATION else trial
    return " / ".join([*map(str, levels), trial])


def _time(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
