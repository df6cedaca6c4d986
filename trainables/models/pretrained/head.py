"""The layer that gives a net's outputs, with a place for dropout before it."""

from typing import Self

from torch import Tensor, nn

from trainables.models._layers import DropoutSite


class DroppedLinear(nn.Linear):
    """A linear layer whose inputs may be dropped; its weights are named as those of a plain one."""

    dropout: DropoutSite

    @classmethod
    def around(cls, layer: nn.Linear) -> Self:
        """Make one with the weights of a plain layer."""
        made = cls(layer.in_features, layer.out_features, layer.bias is not None, device=layer.weight.device)
        made.weight, made.bias = layer.weight, layer.bias
        made.dropout = DropoutSite()
        return made

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(self.dropout(inputs))
