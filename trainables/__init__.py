"""What a trial does: data, models, optimizers, regularizers, the training loop and the metrics.

Never imports ray, wandb or orchestrator.
"""

from typing import Final, Literal, get_args

LearningAxis = Literal["model", "optimizer", "regularizer"]
AxisName = Literal["dataset", LearningAxis, "deployment"]

AXES: Final[tuple[str, ...]] = get_args(AxisName)
"""What a grid combines, in the order of the tables: each a kind of component."""
LEARNING_AXES: Final[tuple[str, ...]] = get_args(LearningAxis)
"""What learns from a data set, and how: a grid can tune it, and set it for some cells."""
METHOD_AXES: Final[tuple[str, ...]] = tuple(axis for axis in AXES if axis != "dataset")
"""What is compared on a data set: what learns from it, and what becomes of the net."""
KINDS: Final = (*AXES, "schedule", "task")
"""All kinds of component."""
