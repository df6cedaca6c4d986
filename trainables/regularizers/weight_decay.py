"""Weight decay as an L2 penalty in the gradient (Krogh and Hertz 1991)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from trainables.component import NonNegative
from trainables.interfaces import Regularizer

if TYPE_CHECKING:
    from torch import nn


class WeightDecay(Regularizer):
    """Adds `value` times each weight to its gradient, so it means the same under every optimizer.

    Biases and the scales of normalisation layers (parameters of one dimension) are left alone. The decay that AdamW
    keeps apart from the gradient is that optimizer's own parameter.
    """

    name: ClassVar[str] = "weight_decay"

    value: NonNegative = 5e-4
    """The penalty is value / 2 times the sum of squared weights."""

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        import torch

        pairs = [(weight.grad, weight.data) for weight in parameters if weight.ndim > 1 and weight.grad is not None]
        if pairs:
            gradients, weights = zip(*pairs, strict=True)
            torch._foreach_add_(gradients, weights, alpha=self.value)
