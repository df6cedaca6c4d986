"""The tables that each trial adds rows to: its epochs, and whatever `trainables.records.Breakdown` holds."""

from typing import Final

from results_schema.column import Table
from trainables.columns import rows_in
from trainables.records import Breakdown, EpochRow

EPOCHS: Final = Table(
    name="epochs",
    about="One row for each epoch of each trial's latest attempt.",
    key=("trial_id", "epoch"),
    row=EpochRow,
    of_trial=True,
)

BREAKDOWN: Final = tuple(
    Table(name, rows.about, ("trial_id", *rows.key), record, of_trial=True) for name, record, rows in rows_in(Breakdown)
)
_NAMED: Final = {table.name: table for table in BREAKDOWN}
CLASSES, CURVES = _NAMED["classes"], _NAMED["curves"]
