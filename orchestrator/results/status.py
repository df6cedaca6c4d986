"""How far a sweep is: what its journal and its lock say at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from orchestrator.plan.extra_seeds import LatestLook
from orchestrator.plan.tuned import shown_text
from orchestrator.store import sql
from orchestrator.store.journal import Journal
from orchestrator.store.lock_note import Holder, living_holder
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import COPIED_AT
from orchestrator.text import counted
from results_schema import CONFIRMATION, MEASUREMENT, RETRYABLE, UPDATE, still_to_run
from trainables import AXES, levels_shown

FAILURES_SHOWN: Final = 5

_LABELS: Final = ", ".join(
    (
        "trials.trial_id",
        *(f"cells.{axis}" for axis in AXES),
        "trials.seed",
        "trials.purpose",
        "trials.tuned",
        "measurement",
    )
)


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that a slot executes."""

    trial_id: str
    levels: tuple[str, ...]
    """Of each axis."""
    name: str
    """What tells it from the others of its cell: `seed 3`."""
    label: str
    """All of that."""
    epoch: int
    """Epochs finished in this attempt."""
    epochs: int | None
    """What the protocol has; None where it cannot be read."""
    since: datetime
    slot: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """A trial that broke, and why."""

    trial_id: str
    levels: tuple[str, ...]
    name: str
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
    measurements: int
    """Those that measure others."""
    updates: int
    """Those that train along a stream."""
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

    @property
    def sweeper(self) -> str:
        """Say who sweeps here, or that nobody does."""
        if self.holder is not None:
            return f"the sweep of {self.holder}"
        wait = f"{counted(self.open, 'trial')} {'waits' if self.open == 1 else 'wait'} for one"
        return f"no sweep runs here; {wait}" if self.open else "no sweep runs here"

    @property
    def of_a_copy(self) -> str | None:
        """Say that this is not the journal itself; None where it is."""
        if self.copied_at is None:
            return None
        return f"this is what was copied here at {self.copied_at}; the journal is on the sweep's machine"


def read_progress(paths: ResultsPaths, journal: Journal, failures: int = FAILURES_SHOWN) -> Progress:
    """failures: how many there are at most. Raises DamagedResults."""
    counts = journal.counts()
    holder = living_holder(paths)
    return Progress(
        sweep=_sweep(journal),
        counts=counts,
        tuning=_of_purpose(journal, "tuning"),
        measurements=_of_purpose(journal, MEASUREMENT),
        updates=_of_purpose(journal, UPDATE),
        unplanned=_unplanned(journal, counts),
        running=_running(journal),
        failures=_failures(journal, failures),
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


def _of_purpose(journal: Journal, purpose: str) -> int:
    return int(next(journal.query("SELECT count(*) FROM trials WHERE purpose = ? AND planned", (purpose,)))[0])


def _unplanned(journal: Journal, counts: dict[str, int]) -> int:
    return int(next(journal.query("SELECT count(*) FROM trials"))[0]) - sum(counts.values())


def _running(journal: Journal) -> tuple[RunningTrial, ...]:
    rows = journal.query(
        f"SELECT {_LABELS}, (SELECT max(epoch) FROM epochs WHERE epochs.trial_id = trials.trial_id),"
        " json_extract(protocol_config, '$.epochs'), trials.started_at, slot, host"
        " FROM trials JOIN cells USING (cell_id)"
        " LEFT JOIN attempts ON attempts.trial_id = trials.trial_id AND attempts.attempt = trials.attempts"
        " WHERE trials.status = 'running' ORDER BY trials.started_at"
    )
    return tuple(
        RunningTrial(*_named(row), epoch or 0, epochs, _time(since), slot, host)
        for *row, epoch, epochs, since, slot, host in rows
    )


def _failures(journal: Journal, most: int) -> tuple[FailedTrial, ...]:
    rows = journal.query(
        f"SELECT {_LABELS}, status, reason, finished_at FROM trials JOIN cells USING (cell_id)"
        f" WHERE status IN {sql.among(RETRYABLE)} AND planned ORDER BY finished_at DESC LIMIT ?",
        (most,),
    )
    return tuple(
        FailedTrial(*_named(row), status, reason or "", _time(at) if at else None) for *row, status, reason, at in rows
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


class _Named(NamedTuple):
    """How a trial is called."""

    trial_id: str
    levels: tuple[str, ...]
    name: str
    label: str


def _named(row: Sequence[Any]) -> _Named:
    """row: the columns of `_LABELS`."""
    trial_id, *labels, seed, purpose, tuned, measurement = row
    levels = tuple(map(str, labels))
    name = f"tuning {shown_text(tuned)}" if purpose == "tuning" else f"seed {seed}"
    name = f"{purpose}, {name}" if purpose in (CONFIRMATION, UPDATE) else name
    name = name if measurement is None else f"{measurement}, {name}"
    return _Named(trial_id, levels, name, " / ".join([*levels_shown(levels), name]))


def _time(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
