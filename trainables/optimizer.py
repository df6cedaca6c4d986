"""What an optimizer is: hyper-parameters, and a torch optimizer over parameter groups."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch

from trainables.component import Component

ParameterGroup = dict[str, Any]
"""A torch parameter group: `params` and the options that differ in it. torch's own type, passed on as it is."""


class Optimizer(Component):
    """A level of the `optimizer` axis."""

    kind: ClassVar[str] = "optimizer"

    @abstractmethod
    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        """The torch optimizer over these groups."""
