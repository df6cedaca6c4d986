"""The parts of `vit`."""

from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models._layers import DropoutSite, StochasticDepthSite

_DEVIATION: Final = 0.02
"""Of weights, position embeddings and the class token before training (as in the authors' code)."""


EPSILON: Final = 1e-6
"""Of the layer norms (as there)."""


class Patches(nn.Module):
    """(batch, channels, height, width) to (batch, patches, width of a token), row by row."""

    def __init__(self, side: int, embedding: nn.Linear) -> None:
        super().__init__()
        self.side, self.embedding = side, embedding

    def forward(self, inputs: Tensor) -> Tensor:
        pixels = F.unfold(inputs.contiguous(), self.side, stride=self.side).transpose(1, 2)
        tokens: Tensor = self.embedding(pixels)
        return tokens


class Positions(nn.Module):
    """Says of each token where it stands; a class token goes before the others."""

    def __init__(self, patches: int, width: int, class_token: bool) -> None:
        super().__init__()
        self.token = nn.Parameter(_DEVIATION * torch.randn(1, 1, width)) if class_token else None
        self.positions = nn.Parameter(_DEVIATION * torch.randn(1, patches + class_token, width))
        self.dropout = DropoutSite()

    def forward(self, tokens: Tensor) -> Tensor:
        if self.token is not None:
            tokens = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        outputs: Tensor = self.dropout(tokens + self.positions)
        return outputs


class Block(nn.Module):
    """Attention and an MLP, each added to its input: (batch, tokens, width) to the same shape."""

    def __init__(self, width: int, heads: int, hidden: int, depths: tuple[float, float]) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width, eps=EPSILON), Attention(width, heads))
        self.attention_site = StochasticDepthSite(depths[0])
        self.mlp = nn.Sequential(
            nn.LayerNorm(width, eps=EPSILON),
            *(nn.Linear(width, hidden), nn.GELU(), DropoutSite()),
            *(nn.Linear(hidden, width), DropoutSite()),
        )
        self.mlp_site = StochasticDepthSite(depths[1])

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention_site(self.attention(tokens))
        outputs: Tensor = tokens + self.mlp_site(self.mlp(tokens))
        return outputs


class Attention(nn.Module):
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


class Pool(nn.Module):
    """(batch, tokens, width) to (batch, width)."""

    def __init__(self, way: Literal["class_token", "mean"]) -> None:
        super().__init__()
        self.way = way

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0] if self.way == "class_token" else tokens.mean(dim=1)


def draw(part: nn.Module) -> None:
    if isinstance(part, nn.Linear):
        nn.init.trunc_normal_(part.weight, std=_DEVIATION)
        nn.init.zeros_(part.bias)
