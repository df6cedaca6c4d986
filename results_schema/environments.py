"""The `environments` table: what the trials ran on and with."""

import pyarrow as pa

from results_schema.column import FLAG, INT, TEXT, TIME, Table, column

ENVIRONMENTS = Table(
    name="environments",
    about="One row for each invocation of `orch sweep` on this results directory.",
    key=("environment_id",),
    schema=pa.schema(
        [
            column("environment_id", TEXT, "-", "Names the row.", required=True),
            column("started_at", TIME, "UTC", "When the sweep was started.", required=True),
            column("command", TEXT, "-", "The command line.", required=True),
            column("orch_version", TEXT, "-", "Version of orch-grid.", required=True),
            column("results_version", INT, "-", "Version of these tables.", required=True),
            column("python", TEXT, "-", "Version of Python.", required=True),
            column("packages", TEXT, "JSON", "Versions of the packages that a result can depend on.", required=True),
            column("platform", TEXT, "-", "Operating system.", required=True),
            column("host", TEXT, "-", "Machine that drove the sweep.", required=True),
            column("cpu", TEXT, "-", "Processor.", required=True),
            column("cpus", INT, "1", "Processors that the sweep could use.", required=True),
            column("memory_bytes", INT, "B", "Memory of the driving machine.", required=True),
            column("gpus", TEXT, "JSON", "Names of the GPUs.", required=True),
            column("git_commit", TEXT, "-", "Commit of the working folder, where it is a git checkout."),
            column("git_dirty", FLAG, "-", "Whether that checkout had changes."),
            column("cluster", TEXT, "JSON", "The cluster specification.", required=True),
            column("grid", TEXT, "YAML", "The grid file as it stood.", required=True),
        ]
    ),
)
