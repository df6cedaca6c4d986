"""What a claim may be about: the measured columns of the tables, which way each is better, and what is made of them."""

from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal

from orchestrator.grid.mistakes import near
from results_schema import EPOCHS, TRIALS
from trainables.columns import Better, ClassMeasure, Score
from trainables.task import tasks

Form = Literal["value", "gap", "time", "diverged"]

_GAP: Final = "_gap"
_OF_TRIALS: Final = {column.name: column for column in TRIALS.fields if column.is_measure}
_OF_EPOCHS: Final = {column.name: column for column in EPOCHS.fields if column.is_measure and column.type is float}
_OF_CLASSES: Final[dict[str, Better]] = {name: way for task in tasks() for name, way in task.class_selections().items()}
"""What is measured of single classes: `recall` in `test_recall[defect]`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number for each trial."""

    name: str
    """As outputs call it."""
    column: str
    table: Literal["trials", "epochs"]
    form: Form = "value"
    """`value`: the column, of `epochs` its mean over the epochs; `gap`: how far the test split lags behind training;
    `time`: until validation reaches `target`; `diverged`: 1 where the loss was not finite, else 0."""
    target: float | None = None
    clock: Literal["seconds", "epochs"] = "seconds"
    """What a time is counted in: seconds of training, or epochs."""

    @property
    def reads_test(self) -> bool:
        """Whether it tells anything of the test split."""
        if self.form == "gap" or self.column.startswith("test_"):
            return True
        column = _OF_TRIALS.get(self.column)
        return column is not None and column.column.of_test

    @property
    def is_score(self) -> bool:
        """Whether it says how well a trial has learnt, on some split."""
        if self.form == "gap" or (self.form == "value" and self.of_class is not None):
            return True
        column = _OF_TRIALS.get(self.column) or _OF_EPOCHS.get(self.column)
        return self.form == "value" and column is not None and isinstance(column.column, Score)

    @property
    def of_class(self) -> ClassMeasure | None:
        """What it is of one class, if it is: `test_recall[defect]`. Of a gap no split is said."""
        return class_measure(self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its table that it is made of."""
        return (f"train_{self.column}", f"test_{self.column}") if self.form == "gap" else (self.column,)

    @property
    def higher_is_better(self) -> bool | None:
        """None where more is neither better nor worse, as of a gradient's size."""
        return is_higher_better(self.column) if self.form == "value" else False


def measure_named(name: str) -> Measure | None:
    """A column of `trials` or `epochs`, such as test_accuracy, or what is made of some; None where there is none."""
    if name == "diverged":
        return Measure(name, "status", "trials", "diverged")
    if name in gaps():
        return Measure(name, name.removesuffix(_GAP), "trials", "gap")
    if (of_class := class_measure(name)) is not None and of_class.split:
        return Measure(name, name, "trials")
    if name.endswith(_GAP) and (of_class := class_measure(name.removesuffix(_GAP))) is not None and not of_class.split:
        return Measure(name, str(of_class), "trials", "gap")
    if name in _OF_TRIALS:
        return Measure(name, name, "trials")
    return Measure(name, name, "epochs") if name in _OF_EPOCHS else None


def class_measure(name: str) -> ClassMeasure | None:
    """A measure of one class, `recall[defect]` with or without its split; None where it is none. Of any name of a class: the
    grid alone does not say which there are.
    """
    found = ClassMeasure.read(name)
    return found if found is not None and found.name in _OF_CLASSES else None


def stored_column(name: str) -> str:
    """The column that the journal and W&B have for it: of one class, that of the positive class."""
    of_class = class_measure(name)
    return name if of_class is None else of_class.stored


def near_measure(name: str) -> str:
    """A hint at the measures that a user may have meant."""
    found = ClassMeasure.read(name)
    if found is None:
        return near(name, measure_names())
    return near(name, [str(ClassMeasure(found.split or "test_", known, found.of)) for known in _OF_CLASSES])


def time_to(target: float, column: str, clock: Any) -> Measure:
    """How long a trial takes until a column of `epochs` is at least as good as the target."""
    return Measure(f"{clock} to {column} {target:g}", column, "epochs", "time", target, clock)


def measure_names() -> list[str]:
    """All that `measure_named` knows."""
    return sorted({*_OF_TRIALS, *_OF_EPOCHS, *gaps(), "diverged"})


def reachable() -> list[str]:
    """The columns of `epochs` that have a better and a worse."""
    return [name for name in _OF_EPOCHS if is_higher_better(name) is not None]


def is_reachable(name: str) -> bool:
    """Whether it is one of these, or of one class of validation."""
    of_class = class_measure(name)
    return name in reachable() if of_class is None else of_class.split == "val_"


def gaps() -> list[str]:
    """Such as accuracy_gap: how much better the training split is than the test split."""
    names = [name.removeprefix("train_") for name in _OF_TRIALS if name.startswith("train_")]
    return [f"{name}{_GAP}" for name in names if f"test_{name}" in _OF_TRIALS and name != "size"]


def is_higher_better(name: str) -> bool | None:
    """Which way a column of `trials` or `epochs` is better; None where neither way is."""
    if (of_class := class_measure(name)) is not None:
        return _OF_CLASSES[of_class.name] == "higher"
    column = _OF_TRIALS.get(name) or _OF_EPOCHS.get(name)
    return None if column is None or column.column.better is None else column.column.better == "higher"


def chance_of(name: str, classes: int) -> float | None:
    """What answers that know nothing score in a column of `trials`, of so many classes; None where nobody can say."""
    column = _OF_TRIALS.get(name)
    score = column.column if column is not None else None
    return score.chance(classes) if isinstance(score, Score) and score.chance is not None and classes > 0 else None


def bounds_of(name: str) -> tuple[float, float]:
    """The least and the most that a column of `trials` can have; of what is no score nobody knows."""
    stored = stored_column(name)
    score = next((column.column for column in TRIALS.fields if column.name == stored), None)
    return (score.least, score.most) if isinstance(score, Score) else (-inf, inf)


def of_parent(name: str) -> float | None:
    """What the net that a variant was made of has in a column of `trials` that compares both; None of any other column."""
    column = _OF_TRIALS.get(name)
    return None if column is None else column.column.of_parent


def unit_of(name: str) -> str:
    """The unit of a column of `trials` that a claim can be about; empty of any other."""
    column = _OF_TRIALS.get(name)
    return "" if column is None else column.column.unit
