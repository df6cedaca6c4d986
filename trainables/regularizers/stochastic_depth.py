"""Stochastic depth (Huang et al. 2016, "Deep Networks with Stochastic Depth", sec. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import Probability
from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer

if TYPE_CHECKING:
    from torch import nn


class StochasticDepth(Regularizer):
    """Leaves out residual branches while training, for each example apart; the deeper, the more often."""

    name: ClassVar[str] = "stochastic_depth"

    p: Probability = 0.5
    """Share of the examples that lose the last branch; it falls linearly towards the first."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if model.has_stochastic_depth:
            return None
        return f"stochastic_depth leaves out residual branches, but the model {model.name} has none to leave out"

    def on_model(self, module: nn.Module) -> None:
        from trainables.models._layers import StochasticDepthSite

        for part in module.modules():
            if isinstance(part, StochasticDepthSite):
                part.p = self.p * part.depth
