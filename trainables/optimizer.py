"""What an optimizer is: hyper-parameters, and a torch optimizer over parameter groups."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trainables.component import Component
from trainables.dataset import DataInfo
from trainables.model import Model

if TYPE_CHECKING:
    import torch

    from trainables.protocol import Protocol
    from trainables.regularizer import Regularizer

ParameterGroup = dict[str, Any]
"""A torch parameter group: `params` and the options that differ in it. torch's own type, passed on as it is."""


class Optimizer(Component):
    """A level of the `optimizer` axis."""

    kind: ClassVar[str] = "optimizer"
    reevaluates: ClassVar[bool] = False
    """Whether its `step` takes a closure and evaluates the loss of the batch as often as it likes (L-BFGS)."""

    def supports(self, data: DataInfo, model: Model, regularizers: Sequence[Regularizer]) -> str | None:
        """None, or the reason why it cannot train this model with these regularizers (the reason of a skipped row)."""
        return None

    def supports_protocol(self, protocol: Protocol) -> str | None:
        """None, or the reason why it cannot follow this protocol (the reason of a skipped row)."""
        return None

    @abstractmethod
    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        """The torch optimizer over these groups."""
