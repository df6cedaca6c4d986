"""Maps of a user's own pictures, each with what it is worth on that very picture."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.dataset import ImageArray
from trainables.errors import NoMap
from trainables.measurements._faithfulness import curves, random_maps
from trainables.measurements._maps import Maps
from trainables.process_state.precision import numerics
from trainables.stages.trial_net import TrialNet
from trainables.training.prepare import Prepared

RANDOM: Final = 19
"""Random maps of each picture: that one of 20 maps is the best of all by chance happens once in 20 times."""
_SAME: Final = 1e-6
"""Of two areas that differ by their rounding alone."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The map of one method over one picture."""

    method: str
    values: NDArray[np.float32] | None
    """(height, width); None where the net has none."""
    reason: str | None
    """Why it has none."""
    deletion: float | None = None
    insertion: float | None = None
    worse: int | None = None
    """Random maps whose deletion is larger."""

    @property
    def worth(self) -> bool:
        """Whether the probability of the answer falls faster than under every random map."""
        return self.worse == RANDOM


@dataclass(frozen=True, slots=True)
class Looked:
    """All maps over one picture."""

    maps: tuple[LookedAt, ...]
    random_deletion: float
    """The mean over random maps."""
    random_insertion: float


def asked_with(net: TrialNet, baseline: str, data: Prepared | None, seed: int) -> Maps:
    """What maps of the net are asked with. baseline: `mean` or `black`; data: what it was trained on.

    Without, the mean is that of each channel, which is kept with the weights, and there are no references.
    """
    if data is not None:
        own = replace(data, batches=data.batches.as_stored()) if net.takes_stored else data
        return Maps.from_training(own, baseline, seed)
    colour = torch.tensor(net.inputs.mean, dtype=torch.float32)[:, None, None].expand(net.image_shape)
    if baseline == "black":
        colour = torch.zeros_like(colour)
    if net.takes_stored:
        return Maps(colour * 255, None, seed)
    none = np.zeros((1, *net.image_shape), np.uint8)
    return Maps(net.inputs.batches(none).standardise(colour[None])[0], None, seed)


def looked_at(net: TrialNet, stored: ImageArray, asked: Maps, methods: Sequence[str]) -> Iterator[Looked]:
    """Of each picture, explained for the class that the net answers. stored: (n, channels, height, width)."""
    module: nn.Module = _TakesFloats(net.net) if net.takes_stored else net.net
    pixels = torch.from_numpy(stored)
    inputs = pixels.float() if net.takes_stored else net.inputs.batches(stored).standardise(pixels)
    targets = torch.from_numpy(net.said_of(stored).indices)
    with numerics(net.protocol):
        found = {method: _map(asked, method, module, inputs, targets) for method in methods}
        for place in range(len(stored)):
            one = inputs[place : place + 1], targets[place : place + 1]
            yield _looked(module, *one, asked, ((name, of, place) for name, of in found.items()))


def _map(asked: Maps, method: str, module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor | str:
    """Why there is none where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, that whole numbers have no gradient: NoMap says so
            return asked.of(method, module, inputs, targets)
    except NoMap as none:
        return str(none)


def _looked(
    module: nn.Module, one: Tensor, target: Tensor, asked: Maps, found: Iterable[tuple[str, Tensor | str, int]]
) -> Looked:
    height, width = one.shape[-2:]
    drawn = random_maps(RANDOM, height, width, torch.Generator().manual_seed(asked.seed))
    by_chance = curves(module, one.expand(RANDOM, *one.shape[1:]), target.expand(RANDOM), drawn, asked.baseline)
    maps = []
    for method, of, place in found:
        if isinstance(of, str):
            maps.append(LookedAt(method, None, of))
            continue
        own = of[place]
        curve = curves(module, one, target, own[None], asked.baseline)
        worse = int((by_chance.deletion > curve.deletion + _SAME).sum())
        maps.append(LookedAt(method, own.numpy(), None, float(curve.deletion), float(curve.insertion), worse))
    return Looked(tuple(maps), float(by_chance.deletion.mean()), float(by_chance.insertion.mean()))


class _TakesFloats(nn.Module):
    """A net that takes pixels as they are stored, asked with numbers between them: they are rounded, so that no gradient
    comes through.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._net = net

    def forward(self, pixels: Tensor) -> Tensor:
        outputs: Tensor = self._net(pixels.round().clamp(0, 255).to(torch.uint8))
        return outputs
