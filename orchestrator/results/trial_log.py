"""Everything that the journal knows of one trial."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestrator.errors import UserError
from orchestrator.evidence.selection import OWN
from orchestrator.store.journal import Journal
from trainables import AXES
from trainables.errors import alike, meant

_SHOWN: Final = 6
"""Ids that a hint lists."""


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """An attempt, with what it printed."""

    attempt: int
    status: str
    reason: str | None
    error: str | None
    """Traceback."""
    slot: str | None
    host: str | None
    pid: int | None
    started_at: datetime | None
    finished_at: datetime | None
    log: str


@dataclass(frozen=True, slots=True)
class EpochLog:
    """An epoch of the latest attempt."""

    epoch: int
    lr: float
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    seconds: float
    scores: tuple[tuple[str, float | None], ...]
    """By the column of `epochs`: what each task's trials are compared by."""


@dataclass(frozen=True, slots=True)
class TrialLog:
    """A trial from its plan to its end."""

    trial_id: str
    cell_id: str
    dataset: str
    model: str
    optimizer: str
    regularizer: str
    deployment: str
    seed: int
    purpose: str
    tuned: str | None
    """The values (JSON) that tuning tries or has chosen."""
    measurement: str | None
    """What was found out of its parent, where that is all that it did."""
    parent_id: str | None
    planned: bool
    status: str
    reason: str | None
    whole: int
    """Epochs of the protocol."""
    attempts: tuple[AttemptLog, ...]
    epochs: tuple[EpochLog, ...]


def read_trial_log(journal: Journal, prefix: str) -> TrialLog:
    """The trial whose id begins so. Raises UserError where none or several do."""
    trial_id = find_trial(journal, prefix)
    columns = (
        "trial_id",
        "cell_id",
        *AXES,
        "seed",
        "purpose",
        "tuned",
        "measurement",
        "parent_id",
        "planned",
        "status",
        "reason",
        "whole",
    )
    whole = "json_extract(protocol_config, '$.epochs') AS whole"
    statement = f"SELECT {', '.join(columns[:-1])}, {whole} FROM trials JOIN cells USING (cell_id) WHERE trial_id = ?"
    row = dict(zip(columns, next(journal.query(statement, (trial_id,))), strict=True))
    row["planned"] = bool(row["planned"])
    return TrialLog(**row, attempts=_attempts(journal, trial_id), epochs=_epochs(journal, trial_id))


def find_trial(journal: Journal, prefix: str) -> str:
    """The whole id of the trial whose id begins so. Raises UserError where none or several do."""
    prefix = prefix.strip().lower()
    found = [
        str(row[0])
        for row in journal.query(
            "SELECT trial_id FROM trials WHERE substr(trial_id, 1, ?) = ? ORDER BY trial_id", (len(prefix), prefix)
        )
    ]
    return the_one(prefix, found, lambda: [str(row[0]) for row in journal.query("SELECT trial_id FROM trials")])


def the_one(prefix: str, found: Sequence[str], known: Callable[[], Sequence[str]]) -> str:
    """Of the trials whose ids begin so the one that is meant. known: all ids. Raises UserError, as `find_trial`."""
    if prefix in found:
        return prefix
    if len(found) == 1:
        return found[0]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UserError(
            f"{len(found)} trials begin with {prefix!r}: {', '.join(found[:_SHOWN])}{more}; give more digits"
        )
    hint = meant(alike(prefix, known(), most=3), "`orch results RESULTS` lists them")
    raise UserError(f"no trial's id begins with {prefix!r}; {hint}")


def _attempts(journal: Journal, trial_id: str) -> tuple[AttemptLog, ...]:
    logs = dict(journal.log(trial_id))
    columns = ("attempt", "status", "reason", "error", "slot", "host", "pid")
    rows = journal.query(
        f"SELECT started_at, finished_at, {', '.join(columns)} FROM attempts WHERE trial_id = ? ORDER BY attempt",
        (trial_id,),
    )
    return tuple(
        AttemptLog(
            **dict(zip(columns, values, strict=True)),
            started_at=_time(started),
            finished_at=_time(finished),
            log=logs.get(values[0], ""),
        )
        for started, finished, *values in rows
    )


def _epochs(journal: Journal, trial_id: str) -> tuple[EpochLog, ...]:
    own = ("epoch", "lr", "train_loss", "train_accuracy", "val_loss", "seconds")
    scores = [measure.epoch for measure in OWN]
    rows = journal.query(
        f"SELECT {', '.join((*own, *scores))} FROM epochs WHERE trial_id = ? ORDER BY epoch", (trial_id,)
    )
    return tuple(
        EpochLog(**dict(zip(own, row, strict=False)), scores=tuple(zip(scores, row[len(own) :], strict=True)))
        for row in rows
    )


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
