"""Thresholds of the positive class that validation chooses, with what they give on the test split."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from orchestrator.errors import UserError
from orchestrator.evidence.selection import is_open
from orchestrator.results.asked import refuse_unmeasured
from orchestrator.results.ranked import evaluating
from orchestrator.store.class_columns import WHOSE
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import counted
from results_schema import THRESHOLDS
from trainables import AXES
from trainables.columns import ClassMeasure

_CONDITION: Final = re.compile(r"\s*(?:val_)?(recall|precision)\[(.+)\]\s*>=\s*(\d*\.?\d+)\s*", re.DOTALL)
_ABOUT: Final = ["trial_id", "purpose", "planned", *AXES, "seed", "tuned", "status", WHOSE]
_OF_THRESHOLD: Final = ["threshold", "val_recall", "val_precision", "test_recall", "test_precision"]
_SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("trial_id", *AXES, "tuned")),
        pa.field("seed", pa.int64()),
        *(pa.field(name, pa.float64()) for name in (*_OF_THRESHOLD, "test_f1")),
    ]
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What validation has to reach."""

    name: str
    """`recall` or `precision`."""
    of: str
    """The class."""
    least: float

    @classmethod
    def read(cls, text: str) -> "Wanted":
        """Of `recall[defect]>=0.9`. Raises UserError."""
        found = _CONDITION.fullmatch(text)
        if found is None or not 0 < float(found[3]) <= 1:
            raise UserError(
                f"cannot read the threshold {text!r}; write 'recall[CLASS]>=0.9' or 'precision[CLASS]>=0.9', with a number"
                " above 0 and at most 1"
            )
        return cls(found[1], found[2], float(found[3]))

    @property
    def other(self) -> str:
        """What is to be as great as can be beside it."""
        return "precision" if self.name == "recall" else "recall"

    def chosen(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Of the thresholds of a trial that reach it on validation, the one with the greatest other measure there, of equals
        the highest; None where none reaches it.
        """
        reaching = [row for row in rows if row[f"val_{self.name}"] >= self.least]
        return max(reaching, key=lambda row: (row[f"val_{self.other}"], row["threshold"]), default=None)


@dataclass(frozen=True, slots=True)
class ThresholdTable:
    """What is shown."""

    rows: pa.Table
    """A row for each trial, the greatest other measure of validation first."""
    notes: tuple[str, ...]


def at_threshold(paths: ResultsPaths, text: str) -> ThresholdTable:
    """Of each completed trial of the latest grid. text: `recall[defect]>=0.9`. While trials have still to run nothing of the
    test split is shown. Raises UserError, DamagedResults.
    """
    wanted, tables = Wanted.read(text), TablesRead(paths)
    refuse_unmeasured([ClassMeasure("val_", wanted.name, wanted.of)], paths)
    trials = evaluating(tables.every_trial(_ABOUT))
    open_ = is_open(trials["status"].unique())
    done = trials[trials["status"] == "completed"]
    measured = done[done[WHOSE] == wanted.of]
    found = tables.needed(THRESHOLDS, ["trial_id", *_OF_THRESHOLD], [("trial_id", "in", list(measured["trial_id"]))])
    by_trial = {str(trial): _records(part) for trial, part in found.groupby("trial_id", sort=False)}
    rows, unreached = [], 0
    for trial in _records(measured):
        chosen = wanted.chosen(by_trial.get(trial["trial_id"], []))
        if chosen is None:
            unreached += 1
        else:
            rows.append({**trial, **chosen, "test_f1": _f1(chosen["test_recall"], chosen["test_precision"])})
    rows.sort(key=lambda row: -row[f"val_{wanted.other}"])
    table = pa.Table.from_pylist([{name: _plain(row[name]) for name in _SCHEMA.names} for row in rows], _SCHEMA)
    if open_:
        table = table.drop_columns([name for name in _SCHEMA.names if name.startswith("test_")])
    notes = [
        f"each trial's threshold is chosen on its validation examples: {wanted.name} of {wanted.of} at least"
        f" {wanted.least:g}, the highest {wanted.other} there; the test split chose nothing, and may miss the target"
    ]
    if open_:
        notes.append("test scores are shown once all trials have ended")
    if unreached:
        notes.append(f"{counted(unreached, 'trial')} without a threshold that reaches it are left out")
    if others := len(done) - len(measured):
        notes.append(f"{counted(others, 'trial')} left out: `positive` named another class, or none, when they ran")
    return ThresholdTable(table, (*notes, *tables.damage))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _f1(recall: float, precision: float) -> float | None:
    """None where one of them is not defined."""
    if recall != recall or precision != precision:
        return None
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _plain(value: Any) -> Any:
    return None if value is None or value != value else value
