"""A section of the page on what one kind of measurement has found out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from orchestrator.report.page_data import Column, DataTable, Field, alike_in, number
from orchestrator.store.frames import TablesRead
from results_schema import Table
from trainables import AXES

CELL: Final = "cell"
"""The column that numbers the cells, in the order of their first rows."""


@dataclass(frozen=True, slots=True)
class SectionImage:
    """What a measurement of one trial has kept to be seen."""

    dataset: str
    label: str
    """The levels of its cell, and its seed."""
    trial_id: str
    image: str
    """An address that holds all of it."""
    text: str
    """What it shows, for who does not see it."""


@dataclass(frozen=True, slots=True)
class SectionImages:
    """Some of them, the best cells first."""

    about: str
    shown: tuple[SectionImage, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Its title, its text and its table."""

    name: str
    """Of its place in the page."""
    title: str
    about: str
    caption: str
    """Of the table."""
    table: DataTable
    images: SectionImages | None = None
    """None where none were kept."""


def measured(tables: TablesRead, trials: pd.DataFrame, table: Table, columns: Sequence[str]) -> pd.DataFrame:
    """What a table of findings has of these trials, with their axes, seeds and the numbers of their cells (`CELL`); empty
    where none of them was measured so.
    """
    rows = trials[["trial_id", "seed", *AXES]].merge(tables.wanted(table, ["trial_id", *columns]), on="trial_id")
    return rows.assign(**{CELL: rows.groupby([*AXES], sort=False).ngroup()})


def cells_table(rows: pd.DataFrame, columns: Sequence[Column], figures: pd.DataFrame) -> DataTable:
    """A row for each cell, or several.

    rows: with the axes of their trials. figures: indexed by `CELL`, and by what else a cell has several rows for; as many
    columns as `columns`, in their order. Sections compute them for all cells at once: a thousand groups of pandas take
    seconds where one grouping takes milliseconds.
    """
    varying, alike = alike_in({axis: list(rows[axis]) for axis in AXES})
    levels = rows.drop_duplicates(CELL).set_index(CELL)[[*varying]]
    figures = figures.sort_index(level=CELL, sort_remaining=False)
    cells = levels.loc[figures.index.get_level_values(CELL)]

    def fields() -> Iterator[tuple[Field, ...]]:
        named = (cells[axis].astype(str) for axis in varying)
        values = (_fields(figures[name], column) for name, column in zip(figures.columns, columns, strict=True))
        return zip(*named, *values, strict=True)

    return DataTable((*(Column(axis, "text") for axis in varying), *columns), tuple(fields()), alike=alike)


def _fields(values: "pd.Series[Any]", column: Column) -> list[Field]:
    match column.kind:
        case "text":
            return ["" if value is None or value != value else str(value) for value in values]
        case "count":
            return [int(value) for value in values]
        case _:
            return [number(value) for value in values]
