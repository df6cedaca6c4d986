"""Reads tables for a page: one that is damaged is reported, and shown from the journal where that can be."""

from __future__ import annotations  # pyarrow.compute is imported where rows are filtered

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from orchestrator.errors import DamagedResults, OrchError
from orchestrator.store.class_columns import NEEDED, WHOSE, class_epochs, measures_in, with_class_columns
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import has_one_of_trials, table_from_journal
from orchestrator.store.tables import read
from orchestrator.store.version import is_before
from results_schema import CLASSES, EPOCHS, TRIAL_TABLES, TRIALS, Table

if TYPE_CHECKING:
    import pyarrow.compute as pc

Filters = Sequence[tuple[str, str, Any]]
"""Conditions on rows, as pyarrow takes them: `("status", "=", "completed")`, `("trial_id", "in", [...])`."""


class TablesRead:
    """The tables of one results directory."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self.damage: list[str] = []
        """One line for each table that is damaged."""

    def needed(self, table: Table, columns: list[str], where: Filters = ()) -> pd.DataFrame:
        """A table without which there is no page. Raises UserError (neither table nor journal), DamagedResults."""
        return _frame(self._found(table, columns, where), columns)

    def wanted(self, table: Table, columns: list[str], where: Filters = ()) -> pd.DataFrame:
        """The same; empty where it cannot be read."""
        return _frame(self._found_or_empty(table, columns, where), columns)

    def every_trial(self, columns: list[str], where: Filters = ()) -> pd.DataFrame:
        """Of all tables of trials, those of the latest grid first. Without that one there is no page: raises as `needed`.

        Among the columns there may be measures of one class, such as `test_recall[defect]`; with `protocol_config` those
        that trials select by join them.
        """
        stored = [name for name in columns if name in TRIALS.columns]
        stored += [name for name in NEEDED if name not in stored]
        found = [self._found(TRIALS, stored, where)]
        if not has_one_of_trials(self._paths):
            found += [self._found_or_empty(table, stored, where) for table in TRIAL_TABLES[1:]]
        whole = pa.concat_tables(found, promote_options="default")
        protocols = whole["protocol_config"].unique().to_pylist() if "protocol_config" in columns else ()
        measures = measures_in(columns, protocols)
        whole = with_class_columns(whole, measures, self._classes)
        return _frame(whole, list(dict.fromkeys((*columns, *map(str, measures)))))

    def epochs(self, columns: Sequence[str], *, needed: bool = False) -> pd.DataFrame:
        """The table of epochs, empty where it cannot be read unless it is needed: then it raises as `needed`. Among the
        columns there may be measures of one class, such as `val_recall[defect]`.
        """
        measures = measures_in(columns)
        stored = list(
            dict.fromkeys((*(name for name in columns if name in EPOCHS.columns), *(m.stored for m in measures)))
        )
        found = self.needed(EPOCHS, stored) if needed else self.wanted(EPOCHS, stored)
        if measures:
            positive = self.every_trial(["trial_id", WHOSE]).set_index("trial_id")[WHOSE]
            found = class_epochs(found, positive, measures)
        return found.reindex(columns=list(dict.fromkeys(columns)))

    def _classes(self, columns: Sequence[str], names: Sequence[str]) -> pa.Table:
        return self._found_or_empty(CLASSES, list(columns), [("class_name", "in", list(names))])

    def _found(self, table: Table, columns: list[str], where: Filters) -> pa.Table:
        try:
            found = read(table, self._paths, columns, _matching(where))
        except FileNotFoundError:
            empty = table.schema.empty_table()
            found = empty if is_before(table, self._paths) else self._journalled(table, where)
        except DamagedResults as damaged:
            try:
                found = self._journalled(table, where)
            except OrchError:
                raise damaged from None
            self._note(f"{damaged}; what is shown here is from the journal")
        return found.select([name for name in columns if name in found.column_names])

    def _found_or_empty(self, table: Table, columns: list[str], where: Filters) -> pa.Table:
        try:
            return self._found(table, columns, where)
        except OrchError as unreadable:
            self._note(str(unreadable))
            return table.schema.empty_table().select(columns)

    def _note(self, damage: str) -> None:
        """A table may be looked at more than once."""
        if damage not in self.damage:
            self.damage.append(damage)

    def _journalled(self, table: Table, where: Filters) -> pa.Table:
        return _filtered(table_from_journal(self._paths, table), where)


def _frame(found: pa.Table, columns: list[str]) -> pd.DataFrame:
    frame: pd.DataFrame = found.to_pandas()
    return frame.reindex(columns=columns)  # an older orch's table lacks what joined since


def _filtered(found: pa.Table, where: Filters) -> pa.Table:
    matching = _matching(where)
    return found if matching is None else found.filter(matching)


def _matching(where: Filters) -> pc.Expression | None:
    return reduce(operator.and_, (_condition(*one) for one in where)) if where else None


def _condition(name: str, sign: str, value: Any) -> pc.Expression:
    import pyarrow.compute as pc

    field = pc.field(name)
    # an array with its type: a list without a value has none, and then equals no column
    return field == value if sign == "=" else field.isin(pa.array(value, pa.string()))
