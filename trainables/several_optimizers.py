"""Several torch optimizers that step as one, each over its own parameters."""

from collections.abc import Callable, Sequence
from typing import Any

import torch


class SeveralOptimizers(torch.optim.Optimizer):
    """Its parameter groups are those of its parts, so that a learning rate that is set on them acts.

    A closure is evaluated once, before the first part steps.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__([dict(group) for group in groups], {})
        self.parts = parts
        self.param_groups = groups

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss
