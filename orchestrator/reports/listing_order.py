"""What a listing of trials is ordered by where nobody says it: what the trials of each data set are selected by."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.selection import Measure, is_open, measure_among

_OF_CLASSES, _OF_NUMBERS = ("val_accuracy", "test_accuracy"), ("val_mse", "test_mse")


@dataclass(frozen=True, slots=True)
class Order:
    """Of one results directory."""

    measures: dict[str, Measure]
    """By data set."""
    open: bool
    """Whether trials have still to run: then no column of the test split is shown that was not asked for."""

    @property
    def columns(self) -> list[str]:
        """Those by which trials are ordered; several where data sets are compared by different measures."""
        return list(dict.fromkeys(measure.validation for measure in self.measures.values())) or ["val_accuracy"]

    @property
    def shown(self) -> list[str]:
        """Columns that belong to it, with those of the test split."""
        return list(dict.fromkeys(name for one in self.measures.values() for name in (one.validation, one.shown)))

    def told(self, *, sorted_by: str | None, columns: bool) -> Iterator[str]:
        """What a reader could not guess, a part of a sentence each. columns: whether the reader has chosen some."""
        if sorted_by is None:
            yield from self._ordering()
        if self.open and not columns:
            yield "figures of the test split are shown when no trial has still to run, or with --columns"

    def _ordering(self) -> Iterator[str]:
        if len(self.columns) > 1:
            by = ", ".join(f"{one.validation} ({dataset})" for dataset, one in self.measures.items())
            yield f"the best of each data set first, by {by}"
        elif self.columns != ["val_accuracy"]:
            yield f"the best {self.columns[0]} first"
        for dataset, one in self.measures.items():
            if one.beside:
                yield f"some trials of {dataset} select by {', '.join(one.beside)}"


def order_of(trials: pa.Table) -> Order:
    """trials: all of the directory that evaluate. Those that are planned say it, where some are."""
    planned = trials.filter(pc.fill_null(trials["planned"], False))
    rows = planned if planned.num_rows else trials
    having = [name for name in (*_OF_CLASSES, *_OF_NUMBERS) if name in trials.column_names]
    scored = trials.group_by("dataset").aggregate([(name, "count") for name in having]).to_pylist()
    numeric = {row["dataset"]: _any(row, _OF_NUMBERS) and not _any(row, _OF_CLASSES) for row in scored}
    names = rows["dataset"].unique().to_pylist()
    measures = {name: measure_among(_protocols(rows, name), numeric=numeric[name]) for name in names}
    return Order(measures, is_open(planned["status"].unique().to_pylist()))


def _any(counted: dict[str, int], names: tuple[str, ...]) -> bool:
    return any(counted.get(f"{name}_count") for name in names)


def _protocols(trials: pa.Table, dataset: str) -> dict[str, int]:
    of_dataset = trials.filter(pc.equal(trials["dataset"], dataset))
    ran = of_dataset.filter(pc.not_equal(of_dataset["status"], "skipped"))
    counted = (ran if ran.num_rows else of_dataset)["protocol_config"].drop_null().value_counts()
    return {one["values"]: one["counts"] for one in counted.to_pylist()}
