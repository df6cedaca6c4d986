"""Dropout (Srivastava et al. 2014, JMLR 15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trainables.component import Probability
from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer

if TYPE_CHECKING:
    from torch import nn


class Dropout(Regularizer):
    """Drops units while training, at the places that the model chose for it."""

    name: ClassVar[str] = "dropout"

    p: Probability = 0.5
    """Share of the units that are dropped."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return None if model.has_dropout else f"the model {model.name} has no place for dropout"

    def on_model(self, module: nn.Module) -> None:
        from trainables.models._layers import DropoutSite

        for part in module.modules():
            if isinstance(part, DropoutSite):
                part.p = self.p
