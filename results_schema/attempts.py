"""The `attempts` table: every try at every trial."""

import pyarrow as pa

from results_schema.column import INT, TEXT, TIME, Table, column

ATTEMPTS = Table(
    name="attempts",
    about="One row for each try at a trial, with what ended it.",
    key=("trial_id", "attempt"),
    schema=pa.schema(
        [
            column("trial_id", TEXT, "-", "The trial.", required=True),
            column("attempt", INT, "1", "Counts from 1 over the life of the results directory.", required=True),
            column(
                "status", TEXT, "-", "How it ended; `running` while it lasts, `lost` if its worker died.", required=True
            ),
            column("reason", TEXT, "-", "What ended it, and what was decided then."),
            column("error", TEXT, "-", "Traceback, where there is one."),
            column("slot", TEXT, "-", "The slot that executed it."),
            column("host", TEXT, "-", "Name of the machine."),
            column("pid", INT, "-", "Process that executed it."),
            column("resumed_epoch", INT, "1", "Epoch of the checkpoint that it went on from; 0 from the start."),
            column(
                "first_attempt",
                INT,
                "1",
                "Attempt with which the trial was begun: what follows a failure or a stop goes on with it, a trial that had"
                " come to an end begins anew. Null where an older orch began it.",
            ),
            column("started_at", TIME, "UTC", "When it was handed to the slot.", required=True),
            column("finished_at", TIME, "UTC", "When its end was recorded."),
            column("environment_id", TEXT, "-", "Row of `environments` under which it ran.", required=True),
        ]
    ),
)
