"""What `orch monitor` keeps: a file for each trial, which grows with each run and is no part of an export."""

from typing import Final

from results_schema.column import Table
from trainables.monitoring.row import MonitorRow

MONITOR: Final = Table(
    name="monitor",
    about="One row for each window of pictures that a trial's net was watched on, and each detector: `orch monitor` adds to"
    " `monitor/<trial>.parquet`, which a sweep never touches; readers of Parquet take the folder for one table.",
    key=("trial_id", "started_at", "window", "detector"),
    row=MonitorRow,
    of_trial=True,
)
