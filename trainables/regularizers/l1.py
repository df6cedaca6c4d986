"""The L1 penalty on weights (Tibshirani 1996, "Regression Shrinkage and Selection via the Lasso")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from trainables.component import NonNegative
from trainables.interfaces import Regularizer

if TYPE_CHECKING:
    from torch import nn


class L1(Regularizer):
    """Adds `value` times the sign of each weight to its gradient.

    Weights shrink by equal steps, so the small ones come near zero first; they step across it and are not exactly zero.
    Biases and the scales of normalisation layers (parameters of one dimension) are left alone.
    """

    name: ClassVar[str] = "l1"

    value: NonNegative = 1e-5
    """The penalty is value times the sum of absolute weights; it is not in the reported loss."""

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        import torch

        pairs = [(weight.grad, weight.data) for weight in parameters if weight.ndim > 1 and weight.grad is not None]
        if pairs:
            gradients, weights = zip(*pairs, strict=True)
            torch._foreach_add_(gradients, torch._foreach_sign(weights), alpha=self.value)
