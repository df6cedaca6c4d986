"""What comes out of a sweep: one pyarrow schema a table, with a unit and a sentence on every column."""

from typing import Final

from results_schema.attempts import ATTEMPTS
from results_schema.classes import CLASSES
from results_schema.column import Table, about, unit
from results_schema.curves import CURVES
from results_schema.environments import ENVIRONMENTS
from results_schema.epochs import EPOCHS
from results_schema.statuses import (
    BROKEN,
    ENDED,
    FINAL,
    OPEN,
    RETRYABLE,
    STATUSES,
    TRAINED,
    UNDER_WAY,
    Retryable,
    still_to_run,
)
from results_schema.trials import EARLIER_TRIALS, TRIAL_TABLES, TRIALS, TUNING_TRIALS

VERSION: Final = 6
"""Raised when a table or a column joins (ADR 6). An older journal is carried over, a newer one refused."""

TABLES: Final = (*TRIAL_TABLES, EPOCHS, CLASSES, CURVES, ATTEMPTS, ENVIRONMENTS)

__all__ = [
    "ATTEMPTS",
    "BROKEN",
    "CLASSES",
    "CURVES",
    "EARLIER_TRIALS",
    "ENDED",
    "ENVIRONMENTS",
    "EPOCHS",
    "FINAL",
    "OPEN",
    "RETRYABLE",
    "STATUSES",
    "TABLES",
    "TRAINED",
    "TRIALS",
    "TRIAL_TABLES",
    "TUNING_TRIALS",
    "UNDER_WAY",
    "VERSION",
    "Retryable",
    "Table",
    "about",
    "still_to_run",
    "unit",
]
