"""What trials are selected, ranked and called best by: the validation measure that `protocol.select` names."""

from __future__ import annotations  # selections of trials are made without pandas

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from orchestrator.grid.measures import is_higher_better
from results_schema import UNDER_WAY
from trainables.protocol import LAST

if TYPE_CHECKING:
    import pandas as pd

"""Statuses of trials that a sweep has still to bring to an end."""

Split = Literal["validation", "test"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What the trials of a data set are compared by."""

    title: str
    name: str
    """Its columns of `trials` are `train_`, `val_` and `test_` with this name."""
    epoch: str
    """Its column of `epochs`."""
    split: Split = "test"
    """On which it is shown: `validation` as long as trials have still to run. Validation ranks, in any case."""
    beside: tuple[str, ...] = ()
    """Titles of the measures that other trials of the same data set select by."""

    @property
    def validation(self) -> str:
        return f"val_{self.name}"

    @property
    def shown(self) -> str:
        """The column of `trials` whose figures are shown."""
        return self.validation if self.split == "validation" else f"test_{self.name}"

    @property
    def train(self) -> str:
        return f"train_{self.name}"

    @property
    def score(self) -> str:
        """What is shown, in words: `test balanced accuracy`."""
        return f"{self.split} {self.title}"

    @property
    def of_classes(self) -> bool:
        return any(self.name == one.name for one in _OF_CLASSES.values())

    @property
    def higher_is_better(self) -> bool:
        return bool(is_higher_better(self.name))


ACCURACY: Final = Measure("accuracy", "accuracy", "val_accuracy")
SQUARED_ERROR: Final = Measure("mean squared error", "mse", "val_mse")
_OF_CLASSES: Final = {
    "val_accuracy": ACCURACY,
    "val_balanced_accuracy": Measure("balanced accuracy", "balanced_accuracy", "val_balanced_accuracy"),
    "val_loss": Measure("cross-entropy", "cross_entropy", "val_loss"),
}
_OF_NUMBERS: Final = {
    "val_mse": SQUARED_ERROR,
    "val_loss": SQUARED_ERROR,
    "val_mae": Measure("mean absolute error", "mae", "val_mae"),
    "val_r2": Measure("R²", "r2", "val_r2"),
}
MEASURES: Final = (*_OF_CLASSES.values(), *dict.fromkeys(_OF_NUMBERS.values()))
"""All that a protocol can select by."""


def measure_selected(select: str | None, *, numeric: bool) -> Measure:
    """select: of a protocol; the task's own measure where it names none. numeric: whether targets are numbers."""
    known, default = (_OF_NUMBERS, SQUARED_ERROR) if numeric else (_OF_CLASSES, ACCURACY)
    return default if select is None else known.get(select, default)


def measure_among(protocols: Mapping[str, int], *, numeric: bool) -> Measure:
    """Return what trials of one data set are compared by: what most of them select by; `beside` says what the others do.

    protocols: `protocol_config` to the number of trials that have it. Who takes the last epoch names no measure, and is
    compared as the others are.
    """
    named: Counter[Measure] = Counter()
    for text, trials in protocols.items():
        if (select := json.loads(text).get("select")) != LAST:
            named[measure_selected(select, numeric=numeric)] += trials
    if not named:
        return measure_selected(None, numeric=numeric)
    (first, _), *others = named.most_common()
    return replace(first, beside=tuple(measure.title for measure, _ in others))


def is_open(statuses: Iterable[str]) -> bool:
    """Whether trials have still to run: until none has, nothing of the test split is shown. Of planned trials.

    What was cancelled is not waited for: whoever stopped the sweep wants to see what there is.
    """
    return not UNDER_WAY.isdisjoint(statuses)


# By which measure the trials of each data set are compared, and on which split that is shown.

SCORES: Final = [
    "protocol_config",
    *(f"{split}_{measure.name}" for split in ("train", "val", "test") for measure in MEASURES),
    *("test_f1_macro", "test_size"),
]
"""Columns of `trials` that a comparison may need."""


def measures_of(trials: pd.DataFrame) -> Mapping[str, Measure]:
    """Return the measure of each data set. trials: all that are planned: test is shown when none has still to run."""
    split: Split = "validation" if is_open(trials["status"].unique()) else "test"
    return {
        str(dataset): replace(measure_of(part), split=split) for dataset, part in trials.groupby("dataset", sort=False)
    }


def measure_of(trials: pd.DataFrame) -> Measure:
    """Return what the trials of one data set select by, on the test split."""
    numeric = _has(trials, SQUARED_ERROR) and not _has(trials, ACCURACY)
    voting = trials[trials["status"] != "skipped"]  # a protocol that its data cannot follow says nothing
    protocols = (trials if voting.empty else voting)["protocol_config"].dropna().value_counts(sort=False)
    found = measure_among({str(text): int(count) for text, count in protocols.items()}, numeric=numeric)
    default = SQUARED_ERROR if numeric else ACCURACY
    # a table of before it was measured has no column of it, or an empty one
    return default if _has(trials, default) and not _has(trials, found) else found


def best_first(frame: pd.DataFrame, column: str, measure: Measure) -> pd.DataFrame:
    """Rows without a value stand last; equals keep their order."""
    return frame.sort_values(column, ascending=not measure.higher_is_better, kind="stable", na_position="last")


def _has(trials: pd.DataFrame, measure: Measure) -> bool:
    there = [
        name for name in (f"val_{measure.name}", f"test_{measure.name}") if name in trials
    ]  # who tunes has no test
    return bool(trials[there].notna().to_numpy().any())
