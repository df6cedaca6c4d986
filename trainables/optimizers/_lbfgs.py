"""torch's L-BFGS for networks whose memory is in channels_last."""

from collections.abc import Callable
from typing import Any

import torch


class ContiguousLbfgs(torch.optim.LBFGS):
    """torch's flattens gradients by `view`, which fails on those in channels_last."""

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override] # torch's has no types
        def contiguous() -> Any:
            loss = closure()
            for parameter in self.param_groups[0]["params"]:
                if parameter.grad is not None:
                    parameter.grad = parameter.grad.contiguous()
            return loss

        return super().step(contiguous)  # type: ignore[no-untyped-call] # the same
