"""A table is the columns of its row, a record whose fields say what they mean (`trainables.records`)."""

from __future__ import annotations  # who asks for a table's name alone does not wait for pyarrow

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from results_schema.measured import headlines_of_measurements
from trainables.columns import Column, TableColumn, columns_of
from trainables.task import tasks

if TYPE_CHECKING:
    import pyarrow as pa


_TRIAL_ID: Final = TableColumn("trial_id", str, False, "The trial.", Column("-", "The trial."))
_OF_MEASUREMENT: Final = tuple(
    TableColumn(name, str, False, about, Column("-", about))
    for name, about in (
        ("measurement_id", "The measurement: its `trial_id` in `measurements`."),
        ("trial_id", "The trial that it is about."),
    )
)


@dataclass(frozen=True)
class Table:
    """One Parquet file of a results directory."""

    name: str
    about: str
    key: tuple[str, ...]
    """The columns that together name a row."""
    row: type
    """The record that a row is."""
    since: int = 1
    """The version of the results that it came with: what an older orch has written lacks it, and has no rows of it."""
    of_trial: bool = False
    """Whether each row is a trial's, whose id stands before what the record has."""
    of_measurement: bool = False
    """Whether each row is of a measurement, whose id and that of its trial stand before what the record has."""

    @cached_property
    def fields(self) -> tuple[TableColumn, ...]:
        """The columns, with those that tasks declare."""
        own = columns_of(self.row, [task.scores for task in tasks()], headlines_of_measurements())
        return (*(_OF_MEASUREMENT if self.of_measurement else (_TRIAL_ID,) if self.of_trial else ()), *own)

    @property
    def columns(self) -> list[str]:
        return [field.name for field in self.fields]

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns as Arrow's, each with its unit and its sentence."""
        import pyarrow as pa

        return pa.schema([arrow_field(field) for field in self.fields])


def arrow_field(column: TableColumn) -> pa.Field:
    """Return a column as Arrow has it."""
    from datetime import datetime

    import pyarrow as pa

    wide = column.column.bits == 64
    types = {
        str: pa.string(),
        int: pa.int64() if wide else pa.int32(),
        float: pa.float64() if wide else pa.float32(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    metadata = {"unit": column.column.unit, "about": column.about}
    return pa.field(column.name, types[column.type], nullable=column.nullable, metadata=metadata)
