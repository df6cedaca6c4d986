"""What a claim may be about: the measured columns of the tables, which way each is better, and what is made of them."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from results_schema import EPOCHS, TRIALS

Form = Literal["value", "gap", "time", "diverged"]

_GAP: Final = "_gap"
_HIGHER: Final = re.compile(
    r"(accuracy|precision_macro|recall_macro|f1_\w+|roc_auc_macro|r2|samples_per_second|lr_diverged)$"
)
_LOWER: Final = re.compile(
    r"(cross_entropy|brier|ece|mse|mae|loss|seconds|latency_ms_p\d+|parameters|flops|(peak_memory|model)_bytes|_gap|diverged)$"
)
_OF_TRIALS: Final = tuple(
    field.name
    for field in TRIALS.schema
    if (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    and not field.name.startswith("seed")
    and field.name not in {"attempts", "world_size", "threads"}
)
_OF_EPOCHS: Final = tuple(
    field.name for field in EPOCHS.schema if pa.types.is_floating(field.type) and "seconds" not in field.name
)


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
    def higher_is_better(self) -> bool | None:
        """None where more is neither better nor worse, as of a gradient's size."""
        if self.form in {"gap", "time"}:
            return False
        return is_higher_better(self.name)


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
    """Which way a measure is better; None where neither way is."""
    if _LOWER.search(name):
        return False
    return True if _HIGHER.search(name) else None
