"""Examples mixed with others of their batch: with whom, how much, and what becomes of their targets."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.data.pixels import LUMA

# Random changes to a batch of images, drawn for each example apart and made for all at once on the device.

# A batch is (examples, planes, height, width) here: the planes of an example, its channels or those of all its frames,
# are changed alike. Rows and images are moved whole by index_select, 2 to 3 times faster than gathering pixels.


def cropped(batch: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """A window of the old size at a random place in each padded example."""
    count, planes, height, width = batch.shape
    padded = F.pad(batch, (padding,) * 4)
    top, left = torch.randint(2 * padding + 1, (2, count, 1, 1), generator=generator, device=batch.device)
    plane = torch.arange(count * planes, device=batch.device).view(count, planes, 1) * padded[0, 0].numel()
    row = (torch.arange(height, device=batch.device) + top) * padded.shape[3]
    every_row = padded.view(-1).unfold(0, width, 1)  # from any pixel on, without a copy
    return every_row.index_select(0, (plane + row + left).view(-1)).view(batch.shape)


def flipped(batch: Tensor, generator: torch.Generator) -> Tensor:
    count = len(batch)
    chosen = torch.arange(count, device=batch.device) + count * _mirrored(batch, generator)
    return torch.cat((batch, batch.flip(-1))).index_select(0, chosen)


def _mirrored(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Return which examples are: bool (examples,)."""
    return torch.rand(len(batch), generator=generator, device=batch.device) < 0.5


def turned(batch: Tensor, angle: float, flip: bool, generator: torch.Generator) -> Tensor:
    """Return each example mirrored if it is to be, then turned about its centre, bilinear, black outside."""
    count, _, height, width = batch.shape
    sign = torch.where(_mirrored(batch, generator), -1.0, 1.0) if flip else 1.0
    turn = _uniform((count,), angle, generator, batch.device)
    cosine, sine, nothing = turn.cos(), turn.sin(), torch.zeros_like(turn)
    # affine_grid measures both axes from -1 to 1, so a turn of an image that is not square has to undo their scales
    rows = (sign * cosine, -sign * sine * height / width, nothing, sine * width / height, cosine, nothing)
    grid = F.affine_grid(torch.stack(rows, dim=1).view(count, 2, 3), [count, 1, height, width], align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="zeros", align_corners=False)


def recoloured(inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, then contrast about the example's mean, then saturation about each pixel's grey.

    inputs: (examples, channels, height, width), or with frames before the channels.
    """
    each = (len(inputs),) + (1,) * (inputs.ndim - 1)
    brightness, contrast, saturation = 1 + _uniform((3, *each), strength, generator, inputs.device)
    inputs = inputs * brightness
    mean = inputs.mean(dim=tuple(range(1, inputs.ndim)), keepdim=True)
    inputs = torch.lerp(mean, inputs, contrast)
    if inputs.shape[-3] == len(LUMA):
        grey = (inputs * inputs.new_tensor(LUMA).view(-1, 1, 1)).sum(dim=-3, keepdim=True)
        inputs = torch.lerp(grey, inputs, saturation)
    return inputs.clamp(0, 1)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return (torch.rand(shape, generator=generator, device=device) * 2 - 1) * bound


def partners(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Draw with which example each is mixed: a permutation of the batch, int64 (batch,). Some may meet themselves."""
    return torch.randperm(len(batch), generator=generator, device=batch.device)


def own_shares(batch: Tensor, alpha: float, generator: torch.Generator) -> Tensor:
    """Return how much each example keeps of itself: float32 (batch,), each drawn from Beta(alpha, alpha)."""
    # in float64, since for a small alpha both draws of a pair would often be the smallest float32
    concentration = torch.full((2, len(batch)), alpha, dtype=torch.float64, device=batch.device)
    own, other = torch._standard_gamma(concentration, generator=generator)
    share: Tensor = own / (own + other)
    return share.float()


def mixed_targets(targets: Tensor, partner: Tensor, own: Tensor) -> Tensor:
    """Probabilities (batch, classes): `own` of an example's, the rest its partner's."""
    assert targets.is_floating_point(), "labels cannot be mixed: Regularizer.mixes_classes has to be set"
    return torch.lerp(targets[partner], targets, own.unsqueeze(1))


# A rectangle in each example of a batch, as a mask on the device.


class Rectangles(NamedTuple):
    """A rectangle for each example; fields are int64 (batch,), in pixels. Ends lie outside; equal to the start: empty."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    def area(self) -> Tensor:
        """Pixels in each: int64 (batch,)."""
        return (self.bottom - self.top) * (self.right - self.left)

    def mask(self, inputs: Tensor) -> Tensor:
        """True inside: bool (batch, 1, height, width), or with one more axis for clips, whose frames are masked alike."""
        each = (-1,) + (1,) * (inputs.ndim - 1)
        row = torch.arange(inputs.shape[-2], device=inputs.device).unsqueeze(1)
        column = torch.arange(inputs.shape[-1], device=inputs.device)
        rows = (row >= self.top.view(each)) & (row < self.bottom.view(each))
        return rows & (column >= self.left.view(each)) & (column < self.right.view(each))
