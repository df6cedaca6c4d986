"""Layers that several models place and regularizers act on."""

import torch.nn.functional as F
from torch import Tensor, nn


class DropoutSite(nn.Module):
    """A place in a model where units may be dropped (Srivastava et al. 2014, JMLR 15).

    The model decides where, the `dropout` regularizer how many. Until then it is the identity and draws no random
    numbers, so that a model without dropout gives the same figures as one that has no such sites.
    """

    def __init__(self) -> None:
        super().__init__()
        self.p = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        return F.dropout(inputs, self.p, training=True) if self.training and self.p > 0 else inputs

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


def fully_connected(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear layers with ReLU and a DropoutSite after each hidden one: (batch, inputs) to (batch, outputs).

    Dropout stands after the hidden layers because they hold most of the weights. Values of a feature map are strongly
    correlated with their neighbours, so dropping single ones there hardly regularises (Tompson et al. 2015, sec. 3.2).
    With no hidden layer it stands before the only linear one.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(inplace=True), DropoutSite()]
        inputs = width
    if not hidden:
        layers.append(DropoutSite())
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
