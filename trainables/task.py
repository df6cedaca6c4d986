"""What a task is: the loss, what a model's outputs mean, and how they are measured."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Self

from trainables.columns import (
    POSITIVE,
    Better,
    ClassMeasure,
    Rows,
    Score,
    Scores,
    columns_of,
    rows_in,
    score_marks,
    score_types,
    scores_in,
)
from trainables.component import Component
from trainables.dataset import DataInfo
from trainables.errors import BrokenComponent
from trainables.records import Breakdown, EpochRow, TrialResult
from trainables.registry import registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Answers:
    """What is kept of a split, example by example, in its order: each array is (examples,)."""

    predicted: NDArray[np.float32]
    """The index of a class, or the number that a task predicts."""
    targets: NDArray[np.float32]
    """The truth in the same terms, which `predicted` equals where it is right."""
    probability: NDArray[np.float64] | None = None
    """Of the truth, 0 to 1; None where the task has no such thing."""


SplitOutputs = tuple["Tensor", "Tensor"]
"""Outputs and targets, as `Task.measure` takes them."""


class Task(Component):
    """Chosen by the data set (`DataInfo.task`), never by the grid."""

    role: ClassVar[str] = "task"
    scores: ClassVar[type[Scores]]
    """What is measured of a split: its fields are columns of the tables."""
    tables: ClassVar[type[Breakdown]] = Breakdown
    """What `breakdown` gives: its fields are tables, for a task of this package."""
    loss_score: ClassVar[str]
    """The score that the plain loss is, by which trials are compared that select on `val_loss`."""
    default_selection: ClassVar[str]
    """The validation measure that picks the epoch unless the protocol names another; also what a data set is shown by."""
    has_confusion: ClassVar[bool] = False
    """Whether `breakdown` counts which class was taken for which."""
    positive: str | None = None
    """The class of interest of this data; None where none is named."""
    positive_index: int | None = None
    """Its label."""

    @classmethod
    def of(cls, data: DataInfo) -> Self:
        """The task on this data, whose class of interest it knows."""
        if data.positive is None:
            return cls()
        return cls(positive=data.positive, positive_index=data.classes.index(data.positive))

    @classmethod
    @cache
    def selections(cls) -> dict[str, Better]:
        """The validation measures that a protocol may select on whatever the data (columns of `epochs`), and which way each
        is better.
        """
        own = {column.name: column.column for column in columns_of(EpochRow, [cls.scores])}
        return {
            name: column.better
            for name, column in own.items()
            if isinstance(column, Score) and column.better is not None and not column.of_positive
        }

    @classmethod
    @cache
    def class_selections(cls) -> dict[str, Better]:
        """The measures of one class that a protocol may select on, such as `recall` in `val_recall[defect]`."""
        marked = {name: score for name, score in scores_in(cls.scores).items() if score.of_positive}
        return {name.removesuffix(POSITIVE): score.better for name, score in marked.items() if score.better is not None}

    def selected(self, select: str) -> tuple[str, Better] | None:
        """The column of `epochs` that a protocol selects by, and which way it is better; None where this data has it not.

        select: `val_accuracy`, or `val_recall[defect]` where that is the class of interest.
        """
        if (better := self.selections().get(select)) is not None:
            return select, better
        measure = ClassMeasure.read(select)
        if measure is None or measure.split != "val_" or measure.of != self.positive:
            return None
        of_class = self.class_selections().get(measure.name)
        return None if of_class is None else (measure.stored, of_class)

    def target_shape(self, data: DataInfo) -> tuple[int, ...]:
        """The shape of one example's target: none of a label, which is int64; of numbers, which are float32, one axis."""
        return () if data.classes else (data.targets,)

    @abstractmethod
    def outputs(self, data: DataInfo) -> int:
        """How many numbers the model gives for one example."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean training loss of a batch, a scalar. Where targets are classes they may be probabilities (batch, classes),
        need not add up to 1, and count in proportion: regularizers weigh them.
        """

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """How many of the batch are right, a scalar tensor on the same device; None where nothing is right or wrong."""
        return None

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """`loss` of several batches of one size: (batches, batch, outputs) and their targets to (batches,).

        What one batch gives does not depend on the others.
        """
        import torch

        return torch.stack([self.loss(*each) for each in zip(outputs, targets, strict=True)])

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """`correct` of several batches of one size, (batches,)."""
        import torch

        found = [self.correct(*each) for each in zip(outputs, targets, strict=True)]
        return (
            None if any(each is None for each in found) else torch.stack([each for each in found if each is not None])
        )

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> Scores:
        """All scores of a split. outputs: (examples, outputs); targets as in Examples. Computed in float64 on the CPU.

        Raises TrainablesError where outputs are not finite, or there are no examples.
        """

    def measure_epoch(self, outputs: Tensor, targets: Tensor) -> Scores:
        """The loss, and the scores that every epoch has; not finite where outputs are not, so that the caller can tell that
        the trial has diverged. Raises TrainablesError where there are no examples.
        """
        return self.measure(outputs, targets)

    def measure_for(self, select: str, outputs: Tensor, targets: Tensor) -> Scores:
        """What an epoch has under a protocol that selects by this column of `epochs`: all scores, where not every epoch has
        that one. Those that every epoch has are the same bits whatever is selected by. Not finite as `measure_epoch`.
        """
        scores = self.measure_epoch(outputs, targets)
        named = score_marks(self.scores)
        score = named.get(select.removeprefix("val_"))
        if score is None or score.each_epoch or not bool(outputs.isfinite().all()):
            return scores
        always = {name: getattr(scores, name) for name, mark in named.items() if mark.each_epoch}
        return replace(self.measure(outputs, targets), **always)

    def constant_loss(self, targets: Tensor) -> float | None:
        """The plain loss of the best answer that is the same for every example of a split: what a net reaches that has
        learnt nothing of its inputs. None, as here, where the task does not say.
        """
        return None

    def keeps_answers(self, data: DataInfo) -> bool:
        """Whether `answers` gives any."""
        return type(self).answers is not Task.answers

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers | None:
        """Return what is kept of each example of the test split: one number of what was predicted, and one of the truth.

        None, as here, where an example is not told by one number: then nothing is kept. Finite outputs, as `measure`.
        """
        return None

    def breakdown(self, outputs: Tensor, targets: Tensor, data: DataInfo) -> Breakdown:
        """Return the rows that the tables keep of a split beside its scores; none where the task has none. A plug-in's are
        those of `Breakdown` alone.
        """
        return Breakdown()

    def breakdown_beside(self, val: SplitOutputs, test: SplitOutputs, data: DataInfo) -> Breakdown:
        """The same of the test split, with rows that the validation split has a part in."""
        return self.breakdown(*test, data)


def task_of(data: DataInfo) -> Task:
    """The task of some data. Raises UnknownComponent, BrokenComponent."""
    return type(task_named(data.task)).of(data)


def task_named(name: str) -> Task:
    """Raises UnknownComponent, BrokenComponent."""
    task = registry.get("task", name)
    assert issubclass(task, Task)
    if task not in (there := tasks()):
        raise BrokenComponent(f"the task {name!r} of {task.__module__} cannot be used: {_fault(task, there)}")
    return task()


@cache
def tasks() -> tuple[type[Task], ...]:
    """Every task whose scores can be columns beside those of the tasks before it, the ones of this package first.

    A plug-in's that is broken is none: who needs it learns from `task_named` why.
    """
    found: list[type[Task]] = []
    names = registry.names("task")
    for name in sorted(names, key=lambda name: (not registry.is_built_in("task", name), name)):
        with suppress(BrokenComponent):
            task = registry.get("task", name)
            if issubclass(task, Task) and _fault(task, found) is None:
                found.append(task)
    return tuple(found)


def tables_of_tasks() -> dict[str, tuple[type, Rows]]:
    """Return what the tasks of this package break a split down into: name of a table to its row and what is said of it."""
    built_in = [registry.get("task", name) for name in registry.built_in("task")]
    tables = {task.tables: None for task in built_in if issubclass(task, Task)}
    return {name: (record, rows) for each in tables for name, record, rows in rows_in(each)}


def _fault(task: type[Task], others: Sequence[type[Task]]) -> str | None:
    """Return why a task's scores cannot be columns beside those of others; None where they can."""
    try:
        return _mismatch(task, others)
    except Exception as raised:  # noqa: BLE001 - a plug-in's class may be anything, and holds up nobody who does without it
        return f"its scores cannot be read: {raised!r}"


def _mismatch(task: type[Task], others: Sequence[type[Task]]) -> str | None:
    scores = getattr(task, "scores", None)
    if not isinstance(scores, type) or not issubclass(scores, Scores):
        return "it declares no `scores`, a subclass of Scores"
    own = list(columns_of(TrialResult, [scores]))
    there = {column.name: column for other in others for column in columns_of(TrialResult, [other.scores])}
    for name, times in Counter(column.name for column in own).items():
        if times > 1:
            return f"{name} is already a column"
    for column in own:
        if there.get(column.name, column) != column:
            return f"{column.name} is a column of another task, which declares it otherwise"
    for name, kind in score_types(scores).items():
        if kind is not float:
            return f"its score {name} is not a float"
    marks = score_marks(scores)
    default = marks.get(task.default_selection.removeprefix("val_"))
    if task.default_selection not in task.selections() or default is None or not default.each_epoch:
        return f"it selects on {task.default_selection}, which it does not measure after every epoch"
    loss = scores_in(scores).get(task.loss_score)
    if loss is None or loss.better != "lower":
        return f"its loss should be {task.loss_score}, which is not one of its scores that are better when lower"
    return None
