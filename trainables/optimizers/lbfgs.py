"""L-BFGS (Liu and Nocedal 1989), with the line search of Nocedal and Wright 2006, algorithms 3.5 and 3.6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainables.component import Count, NonNegative, Positive
from trainables.dataset import DataInfo
from trainables.interfaces import Model, ParameterGroup, Regularizer
from trainables.optimizers._torch import TorchOptimizer
from trainables.protocol import Protocol

if TYPE_CHECKING:
    import torch


class Lbfgs(TorchOptimizer):
    """torch.optim.LBFGS: several evaluations of the loss a step, on one batch. Best with large batches.

    All evaluations of a step have the same dropout. torch steps without a line search unless told; that is unstable on
    most networks, so here it searches unless told.
    """

    name: ClassVar[str] = "lbfgs"
    elementwise: ClassVar[bool] = False
    torch_name: ClassVar[str] = "LBFGS"
    reevaluates: ClassVar[bool] = True

    lr: Positive = 1.0
    """Learning rate: the first length of a step that the line search tries."""
    max_iter: Count = 20
    """Iterations a step."""
    max_eval: Annotated[int, Field(ge=1)] | None = None
    """Evaluations of the loss a step; null is 5 / 4 of max_iter."""
    tolerance_grad: NonNegative = 1e-7
    """A step ends when no gradient is greater."""
    tolerance_change: NonNegative = 1e-9
    """A step ends when neither loss nor parameters change more."""
    history_size: Count = 100
    """Pairs of steps and gradient differences that are kept, each as large as the model."""
    line_search_fn: Literal["strong_wolfe"] | None = "strong_wolfe"
    """How the length of a step is found; null takes lr as it is."""

    def unsupported_reason(self, data: DataInfo, model: Model, regularizers: Sequence[Regularizer]) -> str | None:
        if model.has_own_learner:
            return (
                f"lbfgs evaluates a batch's loss several times a step, which the training of {model.name} does not do"
            )
        for regularizer in regularizers:
            if type(regularizer).on_parameter_groups is not Regularizer.on_parameter_groups:
                return f"lbfgs has the same options for all parameters, and {regularizer.name} would set some apart"
            if self.line_search_fn and type(regularizer).on_gradients is not Regularizer.on_gradients:
                return (
                    f"the line search of lbfgs compares losses, and {regularizer.name} changes only the gradients; "
                    "set line_search_fn to null"
                )
        return None

    def unsupported_protocol_reason(self, protocol: Protocol) -> str | None:
        if protocol.clip is None:
            return None
        return "lbfgs learns the curvature from how the gradient changes, and clip changes gradients; leave clip out"

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        from trainables.optimizers._lbfgs import ContiguousLbfgs

        return ContiguousLbfgs(groups, **self.options())
