"""Layers that several models place and regularizers act on."""

from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.fusion.stack import Layer, Stack, by_place


class DropoutSite(nn.Module):
    """A place in a model where units may be dropped (Srivastava et al. 2014, JMLR 15).

    The model decides where, the `dropout` regularizer how many. Until then it is the identity and draws no random
    numbers, so that a model without dropout gives the same figures as one that has no such sites.
    """

    apart = frozenset({"p"})

    def __init__(self) -> None:
        super().__init__()
        self.p = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        return F.dropout(inputs, self.p, training=True) if self.training and self.p > 0 else inputs

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        """Each place drops out its own share by its own draws, which are those of a net that trains alone."""
        shares, passing = [0.0 if part is None else part.p for part in parts], stack.passing
        if not any(shares):
            return nn.Identity()

        def forward(inputs: Tensor) -> Tensor:
            """(width, batch, ...)."""
            if not passing.training:
                return inputs
            mask = torch.ones_like(inputs)
            for place in passing.active:
                if (share := shares[place]) > 0:
                    mask[place].bernoulli_(1 - share, generator=passing.generators[place])
                    if share < 1:
                        mask[place].div_(1 - share)
            return inputs * mask

        return forward

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class StochasticDepthSite(nn.Module):
    """The end of a residual branch, where the branch may be left out for single examples (Huang et al. 2016).

    The model decides where, and at what `depth`: the branch's place among all of them, 1 for the last. The
    `stochastic_depth` regularizer sets `p`, the share of examples that lose the branch, to its own share times `depth`
    (the linear decay of sec. 3). Branches that stay are divided by 1 - p, so that nothing is to be scaled in evaluation.
    Until then it is the identity and draws no random numbers.
    """

    apart = frozenset({"p"})

    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth = depth
        self.p = 0.0

    def forward(self, branch: Tensor) -> Tensor:
        """(batch, ...) to the same shape: each example's values are all zero, or all divided by 1 - p."""
        if not self.training or self.p <= 0:
            return branch
        staying = torch.rand(branch.shape[0], *[1] * (branch.ndim - 1), device=branch.device) >= self.p
        return branch * (staying / (1 - self.p)).to(branch.dtype)

    @classmethod
    def stacked(cls, parts: Sequence[Self | None], stack: Stack, path: str) -> Layer:
        """Each place loses its own share of examples by its own draws, which are those of a net that trains alone."""
        shares, passing, width = [0.0 if part is None else part.p for part in parts], stack.passing, stack.width
        if not any(shares):
            return nn.Identity()

        def forward(branch: Tensor) -> Tensor:
            """Maps."""
            if not passing.training:
                return branch
            mask = branch.new_ones(len(branch), width, 1, 1, 1)
            for place in passing.active:
                if (share := shares[place]) > 0:
                    generator = passing.generators[place]
                    drawn = torch.rand(len(branch), 1, 1, 1, device=branch.device, generator=generator)
                    mask[:, place] = (drawn >= share) / (1 - share)
            return (by_place(branch, width) * mask).flatten(1, 2)

        return forward

    def extra_repr(self) -> str:
        return f"depth={self.depth:g}, p={self.p:g}"


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
