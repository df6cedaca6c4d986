"""The vision transformer (Dosovitskiy et al. 2021, "An Image Is Worth 16x16 Words"), small enough for CIFAR."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from trainables.component import Count, Depth, PerWorker, Positive
from trainables.dataset import DataInfo
from trainables.interfaces import Model

if TYPE_CHECKING:
    from torch import nn


class Vit(Model):
    """Patches as tokens, learnt positions, and blocks of attention and MLP with layer norm before each.

    Dropout stands after the positions and after each linear layer but those of queries, keys and values (appendix B.1).
    Stochastic depth leaves out the attention or the MLP of a block.
    """

    name: ClassVar[str] = "vit"

    patch: Count = 4
    """Side of a patch in pixels; has to divide the image's height and width."""
    depth: Depth = 6
    """Blocks."""
    heads: Count = 4
    """Heads of each attention; have to divide the width."""
    width: Count = 128
    """Size of a token."""
    mlp_ratio: Positive = 4.0
    """Units of a block's MLP for each number of a token."""
    pool: Literal["class_token", "mean"] = "class_token"
    """What is classified: a token of its own, as in the paper, or the mean of the patches' (appendix D.3)."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Vit:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be shared among {self.heads} heads")
        return self

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.NOTHING

    @property
    def has_stochastic_depth(self) -> bool:
        return True

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        if data.height % self.patch or data.width % self.patch:
            size = f"{data.height}x{data.width}"
            return f"vit cannot cut the images of {data.name}, {size} pixels, into patches of {self.patch} a side"
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from torch import nn

        from trainables.models._vit_net import EPSILON, Block, Patches, Pool, Positions, draw

        patches = (data.height // self.patch) * (data.width // self.patch)
        pixels = data.channels * self.patch * self.patch
        branches, hidden = 2 * self.depth, max(1, round(self.mlp_ratio * self.width))
        blocks = [
            Block(self.width, self.heads, hidden, depths=((place + 1) / branches, (place + 2) / branches))
            for place in range(0, branches, 2)
        ]
        module = nn.Sequential(
            Patches(self.patch, nn.Linear(pixels, self.width)),
            Positions(patches, self.width, class_token=self.pool == "class_token"),
            *blocks,
            nn.LayerNorm(self.width, eps=EPSILON),
            Pool(self.pool),
            nn.Linear(self.width, outputs),
        )
        module.apply(draw)
        return module
