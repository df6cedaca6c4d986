"""What maps of `_attributions` are worth: whether a net needs the pixels that they mark, and what else they follow.

A map is (batch, height, width), whatever it is measured in: figures depend on its order alone, but for `mass_within`.
"""

import copy
import math
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.measurements._attributions import asked

STEPS: Final = 28
"""Parts of equal size in which pixels go, one after another."""
_TIES: Final = 20181
"""Seed of the order of pixels that a map does not tell apart."""
_SAME: Final = 1e-5
"""Of two numbers that differ by their rounding alone; a step of brightness is at least 0.003 in what nets take."""


class Curves(NamedTuple):
    """Areas under the probability of the class over the share of pixels, 0 to 1, float64 (batch,)."""

    deletion: Tensor
    """Pixels go, the first of the map first: the lower, the better the map."""
    insertion: Tensor
    """They come, in the same order: the higher, the better."""


def curves(
    net: nn.Module, inputs: Tensor, targets: Tensor, maps: Tensor, baseline: Tensor | float, steps: int = STEPS
) -> Curves:
    """Deletion and insertion (Petsiuk et al. 2018, section 4.1) in `steps` steps, both ends included, by trapezoids.

    net: from standardised inputs (batch, *shape) to logits; targets: of each input the class that the net has answered,
    int64 (batch,); baseline: what stands in place of a pixel that is not there, a number or a tensor that expands to the
    inputs. A pixel is all of its channels, and a clip's in all frames. What a map does not tell apart goes in an order
    that is drawn once for all images, so that a map without contrast is a random one.
    """
    absent = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand_as(inputs)
    places = places_of(maps).to(inputs.device)
    pixels = places[0].numel()
    places = places.view(len(inputs), *[1] * (inputs.ndim - 3), *places.shape[1:])
    counts = [step * pixels // steps for step in range(steps + 1)]
    deleted, inserted = [], []
    with asked(net, inputs), torch.inference_mode():
        for count in counts:
            first = places < count
            deleted.append(_probability(net, torch.where(first, absent, inputs), targets))
            inserted.append(_probability(net, torch.where(first, inputs, absent), targets))
    shares = torch.tensor(counts, dtype=torch.float64) / pixels
    return Curves(*(torch.trapezoid(torch.stack(of), shares, dim=0) for of in (deleted, inserted)))


def places_of(maps: Tensor) -> Tensor:
    """The place of each pixel in its map's order, int64 (batch, height, width): 0 is the first, that of the largest value.

    Equal values are in an order that is drawn once, and is not that of the rows; what is not a number is last.
    """
    flat = maps.detach().cpu().double().flatten(1)
    flat = torch.where(flat.isnan(), -math.inf, flat)
    drawn = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(_TIES))
    order = drawn[flat[:, drawn].argsort(dim=1, descending=True, stable=True)]
    return order.argsort(dim=1).view(maps.shape)


def random_maps(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Maps of what nobody has looked at, float32 (count, height, width): what any method has to beat."""
    return torch.rand(count, height, width, generator=generator)


def centre_maps(count: int, height: int, width: int) -> Tensor:
    """The same map for all, float32 (count, height, width): the nearer the middle, the larger. Objects mostly are there."""
    rows, columns = (torch.linspace(-1, 1, side) if side > 1 else torch.zeros(1) for side in (height, width))
    distances = torch.hypot(rows[:, None], columns)
    return (math.sqrt(2) - distances).expand(count, height, width).contiguous()


def differing(inputs: Tensor, baseline: Tensor | float) -> Tensor:
    """The pixels of inputs (batch, ..., height, width) that differ from the baseline, bool (batch, height, width)."""
    absent = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand_as(inputs)
    return ~torch.isclose(inputs, absent, rtol=_SAME, atol=_SAME).flatten(1, -3).all(dim=1)


def similarity(maps: Tensor, others: Tensor, where: Tensor) -> Tensor:
    """Spearman's correlation of the sizes of two maps of each image, over some of its pixels: float64 (batch,).

    where: bool (batch, height, width), those that differ from the baseline. In the others many methods give 0 whatever the
    net is, and maps of any two nets look alike. NaN where a map has but one value there.
    """
    both = (of.detach().cpu().double().abs().numpy() for of in (maps, others))
    images = zip(*both, where.cpu().numpy(), strict=True)
    return torch.tensor([_spearman(one[there], other[there]) for one, other, there in images], dtype=torch.float64)


def pointed_within(maps: Tensor, masks: Tensor) -> Tensor:
    """Whether the largest value of each map lies in its mask (the pointing game of Zhang et al. 2016, whose tolerance is
    `widened`): bool (batch,). masks: bool (batch, height, width). By chance it does so as often as the mask is large.
    """
    first = places_of(maps) == 0
    return (first & masks.cpu()).flatten(1).any(dim=1)


def widened(masks: Tensor) -> Tensor:
    """The masks with all pixels that touch them, bool (batch, height, width): maps of windows are not finer."""
    return F.max_pool2d(masks.float()[:, None], kernel_size=3, stride=1, padding=1)[:, 0].bool()


def mass_within(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of a map's sizes that lies in its mask, float64 (batch,); that of the pixels where all of them are 0."""
    sizes, within = maps.detach().cpu().double().abs().flatten(1), masks.cpu().flatten(1)
    total = sizes.sum(dim=1)
    return torch.where(total > 0, (sizes * within).sum(dim=1) / total, chance_mass(masks))


def chance_mass(masks: Tensor) -> Tensor:
    """The share of the pixels that lie in each mask, float64 (batch,): what a map has there that knows nothing."""
    return masks.cpu().double().flatten(1).mean(dim=1)


def redrawn(net: nn.Module, seed: int) -> nn.Module:
    """A copy of the net that has learnt nothing: all weights are drawn again (Adebayo et al. 2018, section 3).

    Layers draw them in torch's own way, whatever way the model has had; parameters of no layer of torch's, such as
    positions, are normal with the mean and the deviation that they have. Statistics of batch norm are those before
    training. The same seed gives the same weights on any device; the process's random numbers stay where they are.
    """
    copied = copy.deepcopy(net)
    device = next((tensor.device for tensor in net.parameters()), torch.device("cpu"))
    copied.cpu()  # every device draws other numbers
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in copied.modules():
            _draw(part)
    return copied.to(device)


def _draw(part: nn.Module) -> None:
    """Draw the parameters of a module itself, not those of its parts."""
    if callable(reset := getattr(part, "reset_parameters", None)):
        reset()
        return
    for parameter in part.parameters(recurse=False):
        deviation = float(parameter.std(correction=0))
        parameter.normal_(float(parameter.mean()), deviation)


def _probability(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    probabilities = net(inputs).double().softmax(dim=1)
    chosen: Tensor = probabilities.gather(1, targets[:, None])[:, 0].cpu()
    return chosen


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(np.corrcoef(_mean_ranks(one), _mean_ranks(other))[0, 1])


def _mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
