"""Random changes to training pictures, drawn for each example apart and made for a whole batch at once on the device.

Crop and flip as for CIFAR in He et al. 2016, sec. 4.2; colour as in Howard 2013 ("Some Improvements on Deep CNN Based
Image Classification").
"""

import math
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from trainables.component import Probability
from trainables.dataset import DataInfo
from trainables.model import Model
from trainables.regularizer import Regularizer, unit

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


class Augment(Regularizer):
    """Crop, flip, rotation and colour. All frames of a clip are changed alike."""

    name: ClassVar[str] = "augment"

    crop: Annotated[int, Field(ge=0)] = 0
    """Pixels of black padding on each side, out of which a picture of the old size is cut at random."""
    flip: bool = False
    """Mirror every other example, left to right."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Greatest angle in degrees, either way."""
    colour: Probability = 0.0
    """Brightness, contrast and (of RGB) saturation are each multiplied by up to 1 - colour or 1 + colour."""

    def supports(self, data: DataInfo, model: Model) -> str | None:
        if self.crop >= min(data.height, data.width):
            size = f"{data.height}x{data.width}"
            return f"a crop with {self.crop} pixels of padding can miss the whole picture: {data.name} has {size}"
        if data.directed and (self.flip or self.rotation):
            return f"an example of {data.name} that is mirrored or turned belongs to another class"
        return None

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if not len(inputs):  # a rank may have no part of a small batch
            return inputs, targets
        planes = inputs.flatten(1, -3)
        if self.crop:
            planes = _cropped(planes, self.crop, generator)
        if self.rotation:  # its sampling mirrors on the way
            planes = _turned(unit(planes), math.radians(self.rotation), self.flip, generator)
        elif self.flip:
            planes = _flipped(planes, generator)
        changed = planes.reshape(inputs.shape)
        return (_recoloured(unit(changed), self.colour, generator) if self.colour else changed), targets


# A batch is (examples, planes, height, width) here: the planes of an example, its channels or those of all its frames,
# are changed alike. Rows and pictures are moved whole by index_select, 2 to 3 times faster than gathering pixels.


def _cropped(batch: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """A window of the old size at a random place in each padded example."""
    count, planes, height, width = batch.shape
    padded = F.pad(batch, (padding,) * 4)
    top, left = torch.randint(2 * padding + 1, (2, count, 1, 1), generator=generator, device=batch.device)
    plane = torch.arange(count * planes, device=batch.device).view(count, planes, 1) * padded[0, 0].numel()
    row = (torch.arange(height, device=batch.device) + top) * padded.shape[3]
    every_row = padded.view(-1).unfold(0, width, 1)  # from any pixel on, without a copy
    return every_row.index_select(0, (plane + row + left).view(-1)).view(batch.shape)


def _flipped(batch: Tensor, generator: torch.Generator) -> Tensor:
    count = len(batch)
    chosen = torch.arange(count, device=batch.device) + count * _mirrored(batch, generator)
    return torch.cat((batch, batch.flip(-1))).index_select(0, chosen)


def _mirrored(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Which examples are: bool (examples,)."""
    return torch.rand(len(batch), generator=generator, device=batch.device) < 0.5


def _turned(batch: Tensor, angle: float, flip: bool, generator: torch.Generator) -> Tensor:
    """Each example mirrored if it is to be, then turned about its centre, bilinear, black outside."""
    count, _, height, width = batch.shape
    sign = torch.where(_mirrored(batch, generator), -1.0, 1.0) if flip else 1.0
    turn = _uniform((count,), angle, generator, batch.device)
    cosine, sine, nothing = turn.cos(), turn.sin(), torch.zeros_like(turn)
    # affine_grid measures both axes from -1 to 1, so a turn of a picture that is not square has to undo their scales
    rows = (sign * cosine, -sign * sine * height / width, nothing, sine * width / height, cosine, nothing)
    grid = F.affine_grid(torch.stack(rows, dim=1).view(count, 2, 3), [count, 1, height, width], align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="zeros", align_corners=False)


def _recoloured(inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, then contrast about the example's mean, then saturation about each pixel's grey.

    inputs: (examples, channels, height, width), or with frames before the channels.
    """
    each = (len(inputs),) + (1,) * (inputs.ndim - 1)
    brightness, contrast, saturation = 1 + _uniform((3, *each), strength, generator, inputs.device)
    inputs = inputs * brightness
    mean = inputs.mean(dim=tuple(range(1, inputs.ndim)), keepdim=True)
    inputs = torch.lerp(mean, inputs, contrast)
    if inputs.shape[-3] == len(_LUMA):
        grey = (inputs * inputs.new_tensor(_LUMA).view(-1, 1, 1)).sum(dim=-3, keepdim=True)
        inputs = torch.lerp(grey, inputs, saturation)
    return inputs.clamp(0, 1)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator, device: torch.device) -> Tensor:
    return (torch.rand(shape, generator=generator, device=device) * 2 - 1) * bound
