"""Which rows and columns of the trials table are shown, and in which order."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.errors import UserError
from orchestrator.evidence.selection import OWN, SHOWN, Measure, is_open, measure_among, task_measured
from orchestrator.grid.measures import class_measure, is_higher_better
from results_schema import EVALUATION
from trainables import AXES
from trainables.columns import ClassMeasure
from trainables.errors import alike, meant
from trainables.task import Task

# What trials are ordered by where nobody says it: what the trials of each data set are selected by.


@dataclass(frozen=True, slots=True)
class Order:
    """What trials of one results directory are ordered by."""

    measures: dict[str, Measure]
    """By data set."""
    open: bool
    """Whether trials have still to run: then no column of the test split is shown that was not asked for."""

    @property
    def columns(self) -> list[str]:
        """Return the columns by which trials are ordered; several where data sets are compared by different measures."""
        return list(dict.fromkeys(measure.validation for measure in self.measures.values())) or [OWN[0].validation]

    @property
    def shown(self) -> list[str]:
        """Columns that belong to it, with those of the test split."""
        return list(dict.fromkeys(name for one in self.measures.values() for name in (one.validation, one.shown)))

    def notes(self, *, sorted_by: str | None, columns: bool) -> Iterator[str]:
        """Yield what a reader could not guess, a part of a sentence each. columns: whether the reader has chosen some."""
        if sorted_by is None:
            yield from self._ordering()
        if self.open and not columns:
            yield "test scores are shown once all trials have ended, or with --columns"

    def _ordering(self) -> Iterator[str]:
        if len(self.columns) > 1:
            by = ", ".join(f"{one.validation} ({dataset})" for dataset, one in self.measures.items())
            yield f"the best of each data set first, by {by}"
        elif self.columns != [OWN[0].validation]:
            yield f"the best {self.columns[0]} first"
        for dataset, one in self.measures.items():
            if one.beside:
                yield f"some trials of {dataset} select by {', '.join(one.beside)}"


def order_of(trials: pa.Table) -> Order:
    """trials: all of the directory that evaluate. Those that are planned say it, where some are."""
    planned = trials.filter(pc.fill_null(trials["planned"], False))
    rows = planned if planned.num_rows else trials
    having = [name for measure in OWN for name in (measure.validation, measure.shown) if name in trials.column_names]
    scored = trials.group_by("dataset").aggregate([(name, "count") for name in having]).to_pylist()
    of_dataset = {row["dataset"]: _task(row) for row in scored}
    names = rows["dataset"].unique().to_pylist()
    measures = {name: measure_among(_protocols(rows, name), of_dataset[name]) for name in names}
    return Order(measures, is_open(planned["status"].unique().to_pylist()))


def _task(counted: dict[str, int]) -> type[Task]:
    return task_measured(lambda column: counted.get(f"{column}_count", 0) > 0)


def _protocols(trials: pa.Table, dataset: str) -> dict[str, int]:
    of_dataset = trials.filter(pc.equal(trials["dataset"], dataset))
    ran = of_dataset.filter(pc.not_equal(of_dataset["status"], "skipped"))
    counted = (ran if ran.num_rows else of_dataset)["protocol_config"].drop_null().value_counts()
    return {one["values"]: one["counts"] for one in counted.to_pylist()}


USUAL: Final = (
    "trial_id",
    *AXES,
    "measurement",
    "seed",
    "tuned",
    "status",
    *SHOWN,
    "total_seconds",
)
"""Shown unless others are asked for; a measure that no trial has is left out."""

_ALWAYS: Final = frozenset(("trial_id", *AXES, "seed", "status"))
_CONDITION: Final = re.compile(r"\s*(\w+(?:\[.+?\])?)\s*(!=|<=|>=|==|=|<|>)(.*)", re.DOTALL)
_COMPARE: Final = {
    "=": pc.equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class TrialQuery:
    """What the user asked to see."""

    sort: str | None = None
    """Column; when None what the grid selects by, the best first, since the test split chooses nothing."""
    direction: Literal["ascending", "descending"] | None = None
    """The better first for a score, ascending for any other column when None."""
    where: Sequence[str] = field(default=())
    """Conditions such as `model=cnn` or `test_accuracy>0.9`; all have to hold. `reason=` is an empty value."""
    columns: Sequence[str] = field(default=())
    """The usual ones when empty."""
    limit: int | None = None

    def names(self, column: str) -> bool:
        """Whether a condition says which trials are meant by this column: `purpose`, or `planned`."""
        return column in self._conditional

    @property
    def of_classes(self) -> list[ClassMeasure]:
        """The measures of single classes that it names: `test_recall[defect]`."""
        named = (*self.columns, *self._conditional, *([] if self.sort is None else [self.sort]))
        found = [class_measure(name) for name in named]
        return [one for one in found if one is not None and one.split]

    @property
    def _conditional(self) -> list[str]:
        matches = [_CONDITION.fullmatch(condition) for condition in self.where]
        return [match[1] for match in matches if match is not None]


def choose(trials: pa.Table, query: TrialQuery, *, all_columns: bool = False) -> pa.Table:
    """The rows and columns asked for; of trials that tune, confirm or measure none, unless a condition names
    `purpose`, and of those that only earlier grids named none, unless one names `planned`.

    Raises UserError (an unknown column, with near names; a value of another type).
    """
    order = order_of(of_latest(only_evaluating(trials)))
    if not query.names("purpose"):
        trials = only_evaluating(trials)
    if not query.names("planned"):
        trials = of_latest(trials)
    for condition in query.where:
        trials = trials.filter(_holds(trials, condition))
    trials = _sorted(trials, query, order)
    if query.limit is not None:
        trials = trials.slice(0, query.limit)
    for name in query.columns:
        _known(trials, name)
    everything = trials.column_names if all_columns else _usual(trials, order)
    return trials.select(list(query.columns) or everything)


def only_evaluating(trials: pa.Table) -> pa.Table:
    """The trials that evaluate. A table of before there was tuning has no other."""
    if "purpose" not in trials.column_names:
        return trials
    return trials.filter(pc.fill_null(pc.equal(trials["purpose"], EVALUATION), True))


def of_purpose(trials: pa.Table, purpose: str) -> int:
    """How many trials are there for something else."""
    if "purpose" not in trials.column_names:
        return 0
    return int(pc.sum(pc.equal(trials["purpose"], purpose)).as_py() or 0)


def of_latest(trials: pa.Table) -> pa.Table:
    """The trials that the latest grid names; all where it names none."""
    latest = trials.filter(pc.fill_null(trials["planned"], False))
    return latest if latest.num_rows else trials


def plain_rows(trials: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON values: a number that is not finite is None, a time is ISO 8601 in UTC."""
    return [{name: _plain(value) for name, value in row.items()} for row in trials.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def _usual(trials: pa.Table, order: Order) -> list[str]:
    tuning = of_purpose(trials, "tuning")
    # those that tune have no seed of their own, and may be stopped early
    usual = ["epochs" if name == "seed" and tuning == trials.num_rows > 0 else name for name in USUAL]
    scores = usual.index("status") + 1
    usual[scores:scores] = [name for name in order.shown if name not in usual]
    mixed = ["purpose"] if 0 < only_evaluating(trials).num_rows < trials.num_rows else []
    planned = [] if pc.all(trials["planned"]).as_py() is not False else ["planned"]
    hidden = [name for name in usual if order.open and name.startswith("test_")]
    there = [name for name in usual if name in trials.column_names and name not in hidden]
    measured = [name for name in there if name in _ALWAYS or trials[name].null_count < trials.num_rows]
    return [*measured, *mixed, *planned]


def _sorted(trials: pa.Table, query: TrialQuery, order: Order) -> pa.Table:
    """Sort by the column asked for, else by what the trials are selected by, which may differ between data sets."""
    if query.sort is not None or len(order.columns) == 1:
        return _sorted_by(query.sort or order.columns[0], trials, query)
    of_datasets = [
        _sorted_by(measure.validation, trials.filter(pc.equal(trials["dataset"], dataset)), query)
        for dataset, measure in order.measures.items()
    ]
    others = pc.invert(pc.is_in(trials["dataset"], pa.array(list(order.measures))))
    return pa.concat_tables([*of_datasets, trials.filter(others)])


def _sorted_by(name: str, trials: pa.Table, query: TrialQuery) -> pa.Table:
    _known(trials, name)
    default = "descending" if is_higher_better(name) else "ascending"
    values = trials[name]
    if pa.types.is_floating(values.type):
        # not a number is no value: it stands last whichever way the rest is sorted
        values = pc.if_else(pc.is_nan(values), None, values)
    order = pa.table({"value": values, "row": pa.array(range(trials.num_rows), pa.int64())}).sort_by(
        [("value", query.direction or default), ("row", "ascending")]
    )
    return trials.take(order["row"])


def _known(trials: pa.Table, name: str) -> None:
    if name in trials.column_names:
        return
    near = alike(name, trials.column_names, most=3, likeness=0.5)
    otherwise = f"there are {', '.join(trials.column_names)}"
    raise UserError(f"unknown column {name!r}; {meant(near, otherwise)}")


def _holds(trials: pa.Table, condition: str) -> pa.ChunkedArray:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise UserError(
            f"cannot read the condition {condition!r}; write COLUMN=VALUE, or !=, <, <=, >, >= in place of ="
        )
    name, sign, text = match[1], match[2], match[3].strip()
    _known(trials, name)
    column = trials[name]
    if not text and sign in {"=", "==", "!="}:
        return pc.is_valid(column) if sign == "!=" else pc.is_null(column, nan_is_null=True)
    holds = _COMPARE[sign](column, _value(text, column.type, condition))
    # a row without a value differs from every value, and is neither smaller nor greater
    return pc.fill_null(holds, sign == "!=")


def _value(text: str, type_: pa.DataType, condition: str) -> pa.Scalar:
    """The text as a value of the column's type. Raises UserError."""
    try:
        if pa.types.is_boolean(type_):
            return pa.scalar(_FLAGS[text.lower()])
        if pa.types.is_timestamp(type_):
            moment = datetime.fromisoformat(text)
            return pa.scalar(moment if moment.tzinfo else moment.replace(tzinfo=UTC), type=type_)
        if pa.types.is_string(type_):
            return pa.scalar(text)
        # seeds have 63 bits, more than a float can tell apart
        return pa.scalar(int(text) if text.lstrip("+-").isdigit() and len(text) < 19 else float(text))
    except (ValueError, KeyError):
        kind = (
            "true or false" if pa.types.is_boolean(type_) else "a time" if pa.types.is_timestamp(type_) else "a number"
        )
        raise UserError(f"the condition {condition!r} needs {kind}, not {text!r}") from None
