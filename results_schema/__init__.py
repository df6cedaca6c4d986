"""What comes out of a sweep: tables whose rows are records, with a unit and a sentence on every column."""

from typing import Final

from results_schema.column import Table, arrow_field
from results_schema.environments import ENVIRONMENTS, EnvironmentRow
from results_schema.monitored import MONITOR
from results_schema.of_trials import (
    ATTACKS,
    ATTEMPTS,
    BREAKDOWN,
    CLASSES,
    CORRUPTIONS,
    CURVES,
    DRIFT,
    EPOCHS,
    EXPLANATIONS,
    GROUPS,
    OF_MEASUREMENTS,
    PREQUENTIAL,
    THRESHOLDS,
    AttemptRow,
)
from results_schema.predictions import EXAMPLES, OF_EXAMPLES, PREDICTIONS
from results_schema.statuses import (
    BROKEN,
    ENDED,
    FINAL,
    NOT_MADE,
    OPEN,
    RETRYABLE,
    STATUSES,
    TRAINED,
    UNDER_WAY,
    Retryable,
    still_to_run,
)
from results_schema.trials import (
    CONFIRMATION,
    CONFIRMATION_TRIALS,
    EARLIER_TRIALS,
    EVALUATION,
    MEASUREMENT,
    MEASUREMENTS,
    TRAINED_NET,
    TRIAL_TABLES,
    TRIALS,
    TUNING_TRIALS,
    UPDATE,
    UPDATE_TRIALS,
    CellRow,
    TrialRow,
)

VERSION: Final = 14
"""Raised when a table or a column joins (ADR 6). An older journal is carried over, a newer one refused."""

TABLES: Final = (*TRIAL_TABLES, EPOCHS, *BREAKDOWN, *OF_MEASUREMENTS, ATTEMPTS, ENVIRONMENTS)
"""Those whose rows the journal has, written anew with each export. `OF_EXAMPLES` and
`MONITOR` are not among them."""

__all__ = [
    "ATTACKS",
    "ATTEMPTS",
    "BREAKDOWN",
    "BROKEN",
    "CLASSES",
    "CONFIRMATION",
    "CONFIRMATION_TRIALS",
    "CORRUPTIONS",
    "CURVES",
    "DRIFT",
    "EARLIER_TRIALS",
    "ENDED",
    "ENVIRONMENTS",
    "EPOCHS",
    "EVALUATION",
    "EXAMPLES",
    "EXPLANATIONS",
    "FINAL",
    "GROUPS",
    "MEASUREMENT",
    "MEASUREMENTS",
    "MONITOR",
    "NOT_MADE",
    "OF_EXAMPLES",
    "OF_MEASUREMENTS",
    "OPEN",
    "PREDICTIONS",
    "PREQUENTIAL",
    "RETRYABLE",
    "STATUSES",
    "TABLES",
    "THRESHOLDS",
    "TRAINED",
    "TRAINED_NET",
    "TRIALS",
    "TRIAL_TABLES",
    "TUNING_TRIALS",
    "UNDER_WAY",
    "UPDATE",
    "UPDATE_TRIALS",
    "VERSION",
    "AttemptRow",
    "CellRow",
    "EnvironmentRow",
    "Retryable",
    "Table",
    "TrialRow",
    "arrow_field",
    "still_to_run",
]
