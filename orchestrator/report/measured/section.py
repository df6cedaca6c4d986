"""A section of the page on what one kind of measurement has found out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from orchestrator.report.page_data import Column, DataTable, Field, alike_in
from orchestrator.store.frames import TablesRead
from results_schema import Table
from trainables import AXES


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


def measured(tables: TablesRead, trials: pd.DataFrame, table: Table, columns: Sequence[str]) -> pd.DataFrame:
    """What a table of findings has of these trials, with their axes and seeds; empty where none of them was measured so."""
    return trials[["trial_id", "seed", *AXES]].merge(tables.wanted(table, ["trial_id", *columns]), on="trial_id")


def cells_table(
    rows: pd.DataFrame,
    columns: Sequence[Column],
    fields: Callable[[pd.DataFrame], Sequence[Field]],
    within: Sequence[str] = (),
) -> DataTable:
    """A row for each cell. rows: with the axes of their trials; fields: of the rows of a cell, what stands in `columns`.

    within: columns of `rows` by which a cell has several.
    """
    varying, alike = alike_in({axis: list(rows[axis]) for axis in AXES})

    def of_cells() -> Iterator[tuple[Field, ...]]:
        for _, cell in rows.groupby([*AXES, *within], sort=False):
            yield (*(str(cell[axis].iloc[0]) for axis in varying), *fields(cell))

    named = tuple(Column(axis, "text") for axis in varying)
    return DataTable((*named, *columns), tuple(of_cells()), alike=alike)
