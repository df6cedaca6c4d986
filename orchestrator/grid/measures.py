"""What a claim may be about: the measured columns of the tables, which way each is better, and what is made of them."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from results_schema import EPOCHS, TRIALS
from trainables.columns import Score

Form = Literal["value", "gap", "time", "diverged"]

_GAP: Final = "_gap"
_OF_TRIALS: Final = {column.name: column for column in TRIALS.fields if column.is_measure}
_OF_EPOCHS: Final = {column.name: column for column in EPOCHS.fields if column.is_measure and column.type is float}


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
        return self.form == "gap" or self.column.startswith(("test_", "cue_"))

    @property
    def is_score(self) -> bool:
        """Whether it says how well a trial has learnt, on some split."""
        column = _OF_TRIALS.get(self.column) or _OF_EPOCHS.get(self.column)
        return self.form == "gap" or (self.form == "value" and column is not None and isinstance(column.column, Score))

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
    if name in _OF_TRIALS:
        return Measure(name, name, "trials")
    return Measure(name, name, "epochs") if name in _OF_EPOCHS else None


def time_to(target: float, column: str, clock: Any) -> Measure:
    """How long a trial takes until a column of `epochs` is at least as good as the target."""
    return Measure(f"{clock} to {column} {target:g}", column, "epochs", "time", target, clock)


def measure_names() -> list[str]:
    """All that `measure_named` knows."""
    return sorted({*_OF_TRIALS, *_OF_EPOCHS, *gaps(), "diverged"})


def reachable() -> list[str]:
    """The columns of `epochs` that have a better and a worse."""
    return [name for name in _OF_EPOCHS if is_higher_better(name) is not None]


def gaps() -> list[str]:
    """Such as accuracy_gap: how much better the training split is than the test split."""
    names = [name.removeprefix("train_") for name in _OF_TRIALS if name.startswith("train_")]
    return [f"{name}{_GAP}" for name in names if f"test_{name}" in _OF_TRIALS and name != "size"]


def is_higher_better(name: str) -> bool | None:
    """Which way a column of `trials` or `epochs` is better; None where neither way is."""
    column = _OF_TRIALS.get(name) or _OF_EPOCHS.get(name)
    return None if column is None or column.column.better is None else column.column.better == "higher"


def chance_of(name: str, classes: int) -> float | None:
    """What answers that know nothing score in a column of `trials`, of so many classes; None where nobody can say."""
    column = _OF_TRIALS.get(name)
    score = column.column if column is not None else None
    return score.chance(classes) if isinstance(score, Score) and score.chance is not None and classes > 0 else None
