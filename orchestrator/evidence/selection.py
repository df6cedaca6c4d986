"""What trials are selected, ranked and called best by: the validation measure that `protocol.select` names."""

from __future__ import annotations  # selections of trials are made without pandas

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from orchestrator.grid.measures import class_measure, is_higher_better
from results_schema import UNDER_WAY
from trainables.columns import ClassMeasure, scores_in
from trainables.protocol import LAST
from trainables.task import Task, tasks

if TYPE_CHECKING:
    import pandas as pd

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
    confusion: bool = False
    """Whether a confusion matrix belongs to it."""

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
    def higher_is_better(self) -> bool:
        return bool(is_higher_better(self.validation))


def task_measures(task: type[Task]) -> dict[str, Measure]:
    """Return what the trials of a task can be compared by: whatever a protocol may select on."""
    found = {
        f"val_{name}": Measure(
            title=score.titled(name),
            name=name,
            epoch=f"val_{name}" if score.each_epoch or name != task.loss_score else "val_loss",
            confusion=task.has_confusion,
        )
        for name, score in scores_in(task.scores).items()
        if score.better is not None and not score.of_positive
    }
    return {**found, "val_loss": found[f"val_{task.loss_score}"]}


def measure_selected(select: str | None, task: type[Task]) -> Measure:
    """Return what a protocol selects by (`select`): the task's own measure where it names none, or none of the task's."""
    if (of_class := class_measure(select or "")) is not None and of_class.name in task.class_selections():
        return measure_of_class(of_class, task)
    known = task_measures(task)
    return known.get(select or task.default_selection, known[task.default_selection])


def measure_of_class(of_class: ClassMeasure, task: type[Task]) -> Measure:
    """`recall of defect`."""
    mark = scores_in(task.scores)[of_class.on("").stored]
    title = f"{(mark.title or of_class.name).replace('_', ' ')} of {of_class.of}"
    return Measure(title, str(of_class.on("")), str(of_class.on("val_")), confusion=task.has_confusion)


def task_measured(is_measured: Callable[[str], bool]) -> type[Task]:
    """Return the task of one data set's trials: the first whose own measure some of them have, or else the first.

    is_measured: whether a column of `trials` has a value.
    """
    for task in tasks():
        name = measure_selected(None, task).name
        if is_measured(f"val_{name}") or is_measured(f"test_{name}"):
            return task
    return tasks()[0]


def measure_among(protocols: Mapping[str, int], task: type[Task]) -> Measure:
    """Return what trials of one data set are compared by: what most of them select by; `beside` says what the others do.

    protocols: `protocol_config` to the number of trials that have it. Who takes the last epoch names no measure, and is
    compared as the others are.
    """
    named: Counter[Measure] = Counter()
    for text, trials in protocols.items():
        if (select := json.loads(text).get("select")) != LAST:
            named[measure_selected(select, task)] += trials
    if not named:
        return measure_selected(None, task)
    (first, _), *others = named.most_common()
    return replace(first, beside=tuple(measure.title for measure, _ in others))


def is_open(statuses: Iterable[str]) -> bool:
    """Whether trials have still to run: until none has, nothing of the test split is shown. Of planned trials.

    What was cancelled is not waited for: whoever stopped the sweep wants to see what there is.
    """
    return not UNDER_WAY.isdisjoint(statuses)


# By which measure the trials of each data set are compared, and on which split that is shown.

MEASURES: Final = tuple(dict.fromkeys(measure for task in tasks() for measure in task_measures(task).values()))
"""All that a protocol can select by."""

OWN: Final = tuple(measure_selected(None, task) for task in tasks())
"""Of each task, what its trials are compared by unless a protocol says otherwise."""

SHOWN: Final = {
    name: title
    for task, own in zip(tasks(), OWN, strict=True)
    for name, title in (
        (own.validation, f"val {own.title}"),
        (own.shown, f"test {own.title}"),
        *(
            (f"test_{name}", f"test {score.titled(name)}")
            for name, score in scores_in(task.scores).items()
            if score.shown
        ),
    )
}
"""Columns of `trials` that are shown whatever trials are compared by, with their titles."""

SCORES: Final = [
    "dataset_config",
    "protocol_config",
    "data_fingerprint",
    "varied",
    "split_design",
    "split_id",
    "train_size",
    "val_size",
    "unlabelled_size",
    *dict.fromkeys(
        (
            *(f"{split}_{measure.name}" for split in ("train", "val", "test") for measure in MEASURES),
            *SHOWN,
            "test_size",
        )
    ),
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
    task = task_measured(lambda name: name in trials and bool(trials[name].notna().any()))
    voting = trials[trials["status"] != "skipped"]  # a protocol that its data cannot follow says nothing
    protocols = (trials if voting.empty else voting)["protocol_config"].dropna().value_counts(sort=False)
    found = measure_among({str(text): int(count) for text, count in protocols.items()}, task)
    default = measure_selected(None, task)
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
