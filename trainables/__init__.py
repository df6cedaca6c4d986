"""What a trial does: data, models, optimizers, regularizers, the training loop and the metrics.

Never imports ray, wandb or orchestrator.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

LearningAxis = Literal["model", "optimizer", "regularizer"]
AxisName = Literal["dataset", LearningAxis, "deployment"]

AXES: Final[tuple[str, ...]] = get_args(AxisName)
"""What a grid combines, in the order of the tables: each a kind of component."""
LEARNING_AXES: Final[tuple[str, ...]] = get_args(LearningAxis)
"""What learns from a data set, and how: a grid can tune it, and set it for some cells."""
METHOD_AXES: Final[tuple[str, ...]] = tuple(axis for axis in AXES if axis != "dataset")
"""What is compared on a data set: what learns from it, and what becomes of the net."""
KINDS: Final = (*AXES, "schedule", "task", "measurement")
"""All kinds of component."""

NOTHING_MADE: Final = "none"
"""The level of the axis `deployment` at which a net stays as its trial has trained it."""


def axes_shown(deployments: Iterable[object]) -> tuple[str, ...]:
    """The axes, without that of deployments where each of these is `none`: in most sweeps nobody wants to read so."""
    return AXES if any(level != NOTHING_MADE for level in deployments) else AXES[:-1]


def levels_shown(levels: Sequence[object]) -> list[str]:
    """The labels of a cell's levels, given on each axis in turn, without a deployment of `none`."""
    return [str(level) for level in (levels if levels[-1] != NOTHING_MADE else levels[:-1])]
