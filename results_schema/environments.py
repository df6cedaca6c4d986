"""The `environments` table: what the trials ran on and with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from results_schema.column import Table
from trainables.columns import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRow:
    """One invocation of `orch sweep`."""

    environment_id: Annotated[str, Column("-", "Names the row.")]
    started_at: Annotated[datetime, Column("UTC", "When the sweep was started.")]
    command: Annotated[str, Column("-", "The command line.")]
    orch_version: Annotated[str, Column("-", "Version of orch-grid.")]
    results_version: Annotated[int, Column("-", "Version of these tables.")]
    python: Annotated[str, Column("-", "Version of Python.")]
    packages: Annotated[str, Column("JSON", "Versions of the packages that a result can depend on.")]
    platform: Annotated[str, Column("-", "Operating system.")]
    host: Annotated[str, Column("-", "Machine that drove the sweep.")]
    cpu: Annotated[str, Column("-", "Processor.")]
    cpus: Annotated[int, Column("1", "Processors that the sweep could use.")]
    memory_bytes: Annotated[int, Column("B", "Memory of the driving machine.")]
    gpus: Annotated[str, Column("JSON", "Names of the GPUs.")]
    git_commit: Annotated[str | None, Column("-", "Commit of the working folder; null if that is not a git checkout.")]
    git_dirty: Annotated[bool | None, Column("-", "Whether that checkout had changes; null if there is none.")]
    cluster: Annotated[str, Column("JSON", "The cluster specification.")]
    grid: Annotated[str, Column("YAML", "The grid file as it was.")]
    looks: Annotated[
        str | None,
        Column(
            "-",
            "Seeds of a cell after each of which claims were to be looked at, where seeds are added until they are"
            " decided, such as 8,11,15; 10+13,17 where a fixed number, 10, came before. Null where the number is fixed.",
        ),
    ] = None


ENVIRONMENTS = Table(
    name="environments",
    about="One row for each invocation of `orch sweep` on this results directory.",
    key=("environment_id",),
    row=EnvironmentRow,
)
