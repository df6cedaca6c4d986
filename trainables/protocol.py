"""What all trials of a sweep share: epochs, batches, precision, schedule, splits, selection."""

import math
import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal, cast

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from trainables.columns import Better, ClassMeasure
from trainables.component import AddedLater, Component, Count, NonNegative, NotIdentity, Positive
from trainables.records import EpochRow
from trainables.registry import NESTED_SCHEMA, NESTED_SERIALIZER, nested
from trainables.task import Task


@dataclass(frozen=True, slots=True)
class Moment:
    """Where training stands before a step, as a schedule sees it."""

    step: int
    steps: int
    """Steps of the whole training."""
    epoch: int
    """Epochs finished."""
    epochs: int
    history: Sequence[EpochRow]
    """One row for each finished epoch."""


class Schedule(Component):
    """A value of `protocol.schedule`: a factor on the optimizer's learning rate at every step."""

    role: ClassVar[str] = "schedule"
    is_range_test: ClassVar[bool] = False
    """Whether the run looks for the learning rates at which training works (`trainables.training.range_test`)."""

    warm_up: Annotated[NonNegative, AddedLater(keeps=0.0)] = 0.0
    """Epochs, or parts of one, over which the learning rate rises to what the schedule says (Goyal et al. 2017)."""

    @abstractmethod
    def factor(self, at: Moment) -> float:
        """Return what the learning rate is multiplied by for this step, warm-up apart."""

    def factor_after_warm_up(self, at: Moment) -> float:
        """`factor` times the warm-up: a straight line from one part of it at the first step to all of it at the last.

        The schedule itself begins with the training and not after the warm-up, so that milestones stay where they are
        (Goyal et al. 2017, section 2.2 and 5.1).
        """
        steps = self.warm_up * at.steps / at.epochs
        return self.factor(at) if at.step + 1 >= steps else self.factor(at) * (at.step + 1) / steps


Precision = Literal["fp32", "bf16", "tf32"]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(value: Any) -> Any:
    """`90`, `90s`, `15m`, `2h` or `1d` as seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", value)):
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, str):
        raise ValueError("a duration is a number of seconds, or a number with s, m, h or d, such as 2h")
    return value


_Duration = Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*[smhd]\s*$")]
Seconds = Annotated[
    float,
    Field(gt=0),
    BeforeValidator(_seconds, json_schema_input_type=Annotated[float, Field(gt=0)] | _Duration),
]
SecondsOrNone = Annotated[
    float,
    Field(ge=0),
    BeforeValidator(_seconds, json_schema_input_type=Annotated[float, Field(ge=0)] | _Duration),
]
"""A duration that may be 0."""
AnySchedule = Annotated[
    Schedule,
    PlainValidator(partial(nested, "schedule")),
    NESTED_SERIALIZER,
    NESTED_SCHEMA,
]
"""A schedule as a grid writes it: a name, or a mapping with its name and parameters."""


class Splits(Component):
    """Shares of the examples. Where the data has an official test split, `test` is not used."""

    role = "splits"
    name = "splits"
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the examples that are not in an official test split."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Of all examples, to test on; not used where the data has an official test split, or `folds`."""
    test_seed: Annotated[Annotated[int, Field(ge=0)] | None, AddedLater(keeps=None)] = None
    """Draws the test split, which is then the same for all trials; from each trial's own seed when not given."""

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "Splits":
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation:g} and test {self.test:g} leave nothing to train on")
        return self


Fuse = Annotated[int, Field(ge=1, le=64)]
"""Places of a stack."""


class Protocol(Component):
    """What all trials share. It is all part of a trial's identity, except the time limit and what is kept."""

    role = "protocol"
    name = "protocol"
    epochs: Count = 10
    """How often training goes through all training examples."""
    batch_size: Count = 64
    """The global batch, over all workers."""
    precision: Precision = "fp32"
    """Arithmetic: fp32; bf16 (automatic mixed precision); tf32 (fp32 with products of 10 bits on a GPU)."""
    compile: bool = False
    """Whether the network is compiled (`torch.compile`)."""
    deterministic: bool = False
    """Whether torch uses only deterministic algorithms, which may be slower."""
    schedule: AnySchedule = Field(default_factory=lambda: cast(Schedule, nested("schedule", "constant")))
    """How the learning rate changes during training."""
    clip: Annotated[Positive | None, AddedLater(keeps=None)] = None
    """Largest 2-norm of a step's gradients, which are scaled down to it (Pascanu et al. 2013); null never clips."""
    accumulate: Annotated[Count, AddedLater(keeps=1)] = 1
    """Parts, of two examples at least, in which a worker learns its share of a batch before it takes the step, to need less
    memory. Batch norm has the statistics of a part."""
    sync_batch_norm: Annotated[bool, AddedLater(keeps=False)] = False
    """Whether batch norm uses the statistics of the whole batch, over all workers, not of each worker's part."""
    fuse: Annotated[Fuse, AddedLater(keeps=1)] = 1
    """Trials of one shape that train together in one slot, their nets stacked; each remains a trial of its own. 1: none.
    Its arithmetic is that of the stack, whoever is in it, so that it is part of a trial's identity. A trial that cannot be
    fused runs alone, as under 1."""
    select: str | None = None
    """The validation measure that picks the epoch, such as val_accuracy, val_f1_macro or val_recall[defect] (of the class
    that the data set names as `positive`), or last; the task's default when not given."""
    splits: Splits = Field(default_factory=Splits)
    """Shares of the examples that are validated and tested on."""
    validation_per_class: Annotated[Count | None, AddedLater(keeps=None)] = None
    """Examples of each class that are validated on, in place of the share `splits.validation`."""
    trial_timeout: Annotated[Seconds | None, NotIdentity()] = None
    """Seconds that one trial may take."""
    keep_weights: Annotated[Literal["none", "best"], NotIdentity()] = "none"
    """best: the weights of each trial's selected epoch are kept, in weights/TRIAL_ID.safetensors of the results; of a model
    that begins with published weights, what differs from them (`pretrained:safetensors` puts both together). Trials that had
    ended before it was asked for have none, and do not run again for it: `orch plan` counts them."""
    keep_predictions: Annotated[bool, NotIdentity()] = True
    """Whether the tables keep each trial's prediction for each test example."""

    @model_validator(mode="after")
    def _meets_in_every_batch_norm(self) -> "Protocol":
        """Workers that pass a net a different number of times would wait for each other for ever."""
        if self.sync_batch_norm and self.accumulate > 1:
            raise ValueError(
                "sync_batch_norm excludes accumulate: workers may split a batch into different numbers of parts"
            )
        if self.sync_batch_norm and self.compile:
            raise ValueError("sync_batch_norm excludes compile: workers may compile for different numbers of sizes")
        return self

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> "Protocol":
        if self.schedule.warm_up > self.epochs:
            raise ValueError(
                f"a warm_up of {self.schedule.warm_up:g} epochs is longer than a training of {self.epochs}"
            )
        return self


# Which epoch is selected: the one with the best value of a validation measure, the earliest among equals; or the
# last.

LAST: Final = "last"
"""What a protocol selects that takes the last epoch, however good it is on validation."""


def unsupported(protocol: Protocol, task: Task) -> str | None:
    """Return None, or the reason why this protocol cannot select on this task (the reason of a skipped row)."""
    if protocol.select is None or protocol.select == LAST or task.selected(protocol.select) is not None:
        return None
    lacks = f"the protocol selects on {protocol.select}"
    if (measure := ClassMeasure.read(protocol.select)) is None or measure.name not in task.class_selections():
        known = ", ".join(task.selections())
        return f"{lacks}, which the task {task.name} does not measure; it has {known}"
    if task.positive is None:
        return f"{lacks}, but the data set names no class as `positive`: add `positive: {measure.of}`"
    return f"{lacks}, but the data set's `positive` class is {task.positive}"


def selected_column(protocol: Protocol, task: Task) -> tuple[str, Better]:
    """The column of `epochs` that picks the epoch, or by which trials of the last epoch are compared, and which way it is
    better. Of a protocol that the task supports.
    """
    named = None if protocol.select in (None, LAST) else task.selected(str(protocol.select))
    return named or (task.default_selection, task.selections()[task.default_selection])


def is_best(history: Sequence[EpochRow], protocol: Protocol, task: Task) -> bool:
    """Whether the newest epoch is better than all before it. An undefined value is worse than any other."""
    if protocol.select == LAST:
        return True
    column, better = selected_column(protocol, task)
    sign = 1 if better == "higher" else -1
    values = [_rank(row.measured(column), sign) for row in history]
    return len(values) == 1 or values[-1] > max(values[:-1])


def _rank(value: float | None, sign: int) -> float:
    return -math.inf if value is None or math.isnan(value) else sign * value
