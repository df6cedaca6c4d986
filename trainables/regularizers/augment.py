"""Random changes to training images, drawn for each example apart and made for a whole batch at once on the device.

Crop and flip as for CIFAR in He et al. 2016, sec. 4.2; colour as in Howard 2013 ("Some Improvements on Deep CNN Based
Image Classification").
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainables.component import Probability
from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer, unit
from trainables.task import task_named

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Augment(Regularizer):
    """Crop, flip, rotation and colour. All frames of a clip are changed alike."""

    name: ClassVar[str] = "augment"

    crop: Annotated[int, Field(ge=0)] = 0
    """Pixels of black padding on each side, out of which an image of the old size is cut at random."""
    flip: bool = False
    """Mirror every other example, left to right."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest angle in degrees, either way."""
    colour: Probability = 0.0
    """Brightness, contrast and (of RGB) saturation are each multiplied by up to 1 - colour or 1 + colour."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if self.crop >= min(data.height, data.width):
            size = f"{data.height}x{data.width}"
            return f"a crop with {self.crop} pixels of padding can miss the whole image: {data.name} has {size}"
        if data.directed and (self.flip or self.rotation):
            return f"an example of {data.name} that is mirrored or turned belongs to another class"
        if (self.crop or self.flip or self.rotation) and len(task_named(data.task).target_shape(data)) > 1:
            return f"targets of {data.name} are tied to the pixels of its images, and would not move with them"
        return None

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        from trainables.regularizers._batch import cropped, flipped, recoloured, turned

        if not len(inputs):  # a rank may have no part of a small batch
            return inputs, targets
        planes = inputs.flatten(1, -3)
        if self.crop:
            planes = cropped(planes, self.crop, generator)
        if self.rotation:  # its sampling mirrors on the way
            planes = turned(unit(planes), math.radians(self.rotation), self.flip, generator)
        elif self.flip:
            planes = flipped(planes, generator)
        changed = planes.reshape(inputs.shape)
        return (recoloured(unit(changed), self.colour, generator) if self.colour else changed), targets
