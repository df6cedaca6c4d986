"""The tables that each trial adds rows to: its attempts, their epochs, whatever a `Breakdown` holds, and what measurements
find out about it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from results_schema.column import Table
from results_schema.measured import tables_of_measurements
from trainables.columns import Column
from trainables.records import EpochRow
from trainables.task import tables_of_tasks

EPOCHS: Final = Table(
    name="epochs",
    about="One row for each epoch of each trial's latest attempt.",
    key=("trial_id", "epoch"),
    row=EpochRow,
    of_trial=True,
)

BREAKDOWN: Final = tuple(
    Table(name, rows.about, ("trial_id", *rows.key), record, rows.since, of_trial=True)
    for name, (record, rows) in sorted(tables_of_tasks().items())
)


OF_MEASUREMENTS: Final = tuple(
    Table(name, rows.about, ("measurement_id", *rows.key), record, rows.since, of_measurement=True)
    for name, (record, rows) in sorted(tables_of_measurements().items())
)
_NAMED: Final = {table.name: table for table in BREAKDOWN}
CLASSES, CURVES, THRESHOLDS = _NAMED["classes"], _NAMED["curves"], _NAMED["thresholds"]
_FOUND_OUT: Final = {table.name: table for table in OF_MEASUREMENTS}
ATTACKS, CORRUPTIONS, DRIFT, EXPLANATIONS, GROUPS, PREQUENTIAL = (
    _FOUND_OUT[name] for name in ("attacks", "corruptions", "drift", "explanations", "groups", "prequential")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try at a trial."""

    attempt: Annotated[int, Column("1", "Counts from 1 over the life of the results directory.")]
    status: Annotated[str, Column("-", "How it ended; `running` while it lasts, `lost` if its worker died.")]
    reason: Annotated[str | None, Column("-", "What ended it, and what was decided then; null if it finished.")] = None
    error: Annotated[str | None, Column("-", "Traceback; null where there is none.")] = None
    slot: Annotated[str | None, Column("-", "The slot that executed it.")]
    host: Annotated[str | None, Column("-", "Name of the machine.")]
    pid: Annotated[int | None, Column("-", "Process that executed it.")]
    resumed_epoch: Annotated[int | None, Column("1", "Epoch of the checkpoint that it resumed from; 0 from the start.")]
    first_attempt: Annotated[
        int | None,
        Column(
            "1",
            "Attempt with which the trial was begun: what follows a failure or a stop goes on with it, a trial that had"
            " come to an end begins anew. Null where an older orch began it.",
        ),
    ]
    started_at: Annotated[datetime, Column("UTC", "When it was handed to the slot.")]
    finished_at: Annotated[datetime | None, Column("UTC", "When its end was recorded.")] = None
    environment_id: Annotated[str, Column("-", "Row of `environments` under which it ran.")]


ATTEMPTS = Table(
    name="attempts",
    about="One row for each try at a trial, with what ended it.",
    key=("trial_id", "attempt"),
    row=AttemptRow,
    of_trial=True,
)
