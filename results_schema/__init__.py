"""What comes out of a sweep: one pyarrow schema a table, with a unit and a sentence on every column."""

from typing import Final

from results_schema.attempts import ATTEMPTS
from results_schema.classes import CLASSES
from results_schema.column import Table, about, unit
from results_schema.curves import CURVES
from results_schema.environments import ENVIRONMENTS
from results_schema.epochs import EPOCHS
from results_schema.trials import EARLIER_TRIALS, TRIAL_TABLES, TRIALS, TUNING_TRIALS

VERSION: Final = 6
"""Raised when a table or a column joins (ADR 6). An older journal is carried over, a newer one refused."""

TABLES: Final = (*TRIAL_TABLES, EPOCHS, CLASSES, CURVES, ATTEMPTS, ENVIRONMENTS)

FINAL: Final = frozenset({"completed", "diverged", "skipped"})
"""Statuses that stand: such a trial never runs again."""

RETRYABLE: Final = frozenset({"failed", "timed_out", "out_of_memory"})
"""Statuses that run again only when asked to (`--retry`)."""

ENDED: Final = (FINAL | RETRYABLE) - {"skipped"}
"""Statuses of trials that were executed and came to an end."""

OPEN: Final = frozenset({"pending", "running", "cancelled"})
"""Statuses that run again by themselves."""

__all__ = [
    "ATTEMPTS",
    "CLASSES",
    "CURVES",
    "EARLIER_TRIALS",
    "ENDED",
    "ENVIRONMENTS",
    "EPOCHS",
    "FINAL",
    "OPEN",
    "RETRYABLE",
    "TABLES",
    "TRIALS",
    "TRIAL_TABLES",
    "TUNING_TRIALS",
    "VERSION",
    "Table",
    "about",
    "unit",
]
