"""What comes out of a sweep: one pyarrow schema a table, with a unit and a sentence on every column."""

from typing import Final

from results_schema.attempts import ATTEMPTS
from results_schema.classes import CLASSES
from results_schema.column import Table, about, unit
from results_schema.curves import CURVES
from results_schema.environments import ENVIRONMENTS
from results_schema.epochs import EPOCHS
from results_schema.trials import TRIALS

VERSION: Final = 4
"""Raised when a table or a column joins (ADR 6). An older journal is carried over, a newer one refused."""

TABLES: Final = (TRIALS, EPOCHS, CLASSES, CURVES, ATTEMPTS, ENVIRONMENTS)

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
    "ENDED",
    "ENVIRONMENTS",
    "EPOCHS",
    "FINAL",
    "OPEN",
    "RETRYABLE",
    "TABLES",
    "TRIALS",
    "VERSION",
    "Table",
    "about",
    "unit",
]
