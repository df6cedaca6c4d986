"""The vision transformer (Dosovitskiy et al. 2021, "An Image Is Worth 16x16 Words"), small enough for CIFAR."""

from typing import ClassVar, Final, Literal

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from trainables.component import Count, Positive
from trainables.dataset import DataInfo
from trainables.layers import DropoutSite, StochasticDepthSite
from trainables.model import Model

_DEVIATION: Final = 0.02
"""Of weights, position embeddings and the class token before training (as in the authors' code)."""
_EPSILON: Final = 1e-6
"""Of the layer norms (as there)."""


class Vit(Model):
    """Patches as tokens, learnt positions, and blocks of attention and MLP with layer norm before each.

    Dropout stands after the positions and after each linear layer but those of queries, keys and values (appendix B.1).
    Stochastic depth leaves out the attention or the MLP of a block.
    """

    name: ClassVar[str] = "vit"

    patch: Count = 4
    """Side of a patch in pixels; has to divide the picture's height and width."""
    depth: Count = 6
    """Blocks."""
    heads: Count = 4
    """Heads of each attention; have to divide the width."""
    width: Count = 128
    """Numbers of a token."""
    mlp_ratio: Positive = 4.0
    """Units of a block's MLP for each number of a token."""
    pool: Literal["class_token", "mean"] = "class_token"
    """What is classified: a token of its own, as in the paper, or the mean of the patches' (appendix D.3)."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "Vit":
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} cannot be shared among {self.heads} heads")
        return self

    @property
    def has_stochastic_depth(self) -> bool:
        return True

    def supports(self, data: DataInfo) -> str | None:
        if reason := super().supports(data):
            return reason
        if data.height % self.patch or data.width % self.patch:
            size = f"{data.height}x{data.width}"
            return f"vit cannot cut the pictures of {data.name}, {size} pixels, into patches of {self.patch} a side"
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        patches = (data.height // self.patch) * (data.width // self.patch)
        pixels = data.channels * self.patch * self.patch
        branches, hidden = 2 * self.depth, max(1, round(self.mlp_ratio * self.width))
        blocks = [
            _Block(self.width, self.heads, hidden, depths=((place + 1) / branches, (place + 2) / branches))
            for place in range(0, branches, 2)
        ]
        module = nn.Sequential(
            _Patches(self.patch, nn.Linear(pixels, self.width)),
            _Positions(patches, self.width, class_token=self.pool == "class_token"),
            *blocks,
            nn.LayerNorm(self.width, eps=_EPSILON),
            _Pool(self.pool),
            nn.Linear(self.width, outputs),
        )
        module.apply(_draw)
        return module


class _Patches(nn.Module):
    """(batch, channels, height, width) to (batch, patches, width of a token), row by row."""

    def __init__(self, side: int, embedding: nn.Linear) -> None:
        super().__init__()
        self.side, self.embedding = side, embedding

    def forward(self, inputs: Tensor) -> Tensor:
        pixels = F.unfold(inputs.contiguous(), self.side, stride=self.side).transpose(1, 2)
        tokens: Tensor = self.embedding(pixels)
        return tokens


class _Positions(nn.Module):
    """Says of each token where it stands; a class token goes before the others."""

    def __init__(self, patches: int, width: int, class_token: bool) -> None:
        super().__init__()
        self.token = nn.Parameter(_DEVIATION * torch.randn(1, 1, width)) if class_token else None
        self.positions = nn.Parameter(_DEVIATION * torch.randn(1, patches + class_token, width))
        self.dropout = DropoutSite()

    def forward(self, tokens: Tensor) -> Tensor:
        if self.token is not None:
            tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)
        outputs: Tensor = self.dropout(tokens + self.positions)
        return outputs


class _Block(nn.Module):
    """Attention and an MLP, each added to its input: (batch, tokens, width) to the same shape."""

    def __init__(self, width: int, heads: int, hidden: int, depths: tuple[float, float]) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width, eps=_EPSILON), _Attention(width, heads))
        self.attention_site = StochasticDepthSite(depths[0])
        self.mlp = nn.Sequential(
            nn.LayerNorm(width, eps=_EPSILON),
            *(nn.Linear(width, hidden), nn.GELU(), DropoutSite()),
            *(nn.Linear(hidden, width), DropoutSite()),
        )
        self.mlp_site = StochasticDepthSite(depths[1])

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention_site(self.attention(tokens))
        outputs: Tensor = tokens + self.mlp_site(self.mlp(tokens))
        return outputs


class _Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, sec. 3.2): (batch, tokens, width) to the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.dropout = DropoutSite()

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.queries_keys_values(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts.unbind(0))
        outputs: Tensor = self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return outputs


class _Pool(nn.Module):
    """(batch, tokens, width) to (batch, width)."""

    def __init__(self, way: Literal["class_token", "mean"]) -> None:
        super().__init__()
        self.way = way

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0] if self.way == "class_token" else tokens.mean(dim=1)


def _draw(part: nn.Module) -> None:
    if isinstance(part, nn.Linear):
        nn.init.trunc_normal_(part.weight, std=_DEVIATION)
        nn.init.zeros_(part.bias)
