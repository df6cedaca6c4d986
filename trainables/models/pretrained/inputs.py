"""From inputs as this trial's data gives them to inputs as a net's weights were trained with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.data.pixels import LUMA
from trainables.dataset import DataInfo


@dataclass(frozen=True, slots=True)
class InputForm:
    """What the weights were trained with: inputs are (pixels - mean) / std, of pixels in 0..1."""

    shape: tuple[int, int, int]
    """Channels (1 or 3), height and width."""
    mean: tuple[float, ...]
    """Of each channel, or one for all."""
    std: tuple[float, ...]


def unreadable(data: DataInfo) -> str | None:
    """Return why `PixelInputs` cannot give a net such images, or None."""
    if data.channels in (1, 3):
        return None
    return f"pretrained networks take grey or RGB images, but {data.name} has {data.channels} channels"


class PixelInputs(nn.Module):
    """(batch, channels, height, width), standardised by this trial's training split, to (batch, *form.shape).

    Pixels are restored, then standardised as the weights were trained with: together one multiplication and one
    addition. Grey images become three equal channels, RGB ones are weighted to grey; bilinear resizing is antialiased.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, channels: int, form: InputForm) -> None:
        super().__init__()
        self.form: Final = form
        self.channels: Final = channels
        self.register_buffer("scale", torch.ones(max(channels, form.shape[0]), 1, 1))
        self.register_buffer("shift", torch.zeros(form.shape[0], 1, 1))
        self.calibrate((), ())

    def calibrate(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Tell how the inputs are standardised: `TrainingFacts.mean` and `std`."""
        own_mean, own_std = _each(mean or (0.0,)), _each(std or (1.0,))
        form_mean, form_std = _each(self.form.mean), _each(self.form.std)
        if self._to_grey:
            luma = _each(LUMA)
            scale, shift = luma * own_std / form_std, ((luma * own_mean).sum(0, keepdim=True) - form_mean) / form_std
        else:
            scale, shift = own_std / form_std, (own_mean - form_mean) / form_std
        self.scale.copy_(scale.expand_as(self.scale))
        self.shift.copy_(shift.expand_as(self.shift))

    def forward(self, inputs: Tensor) -> Tensor:
        pixels = inputs * self.scale
        if self._to_grey:
            pixels = pixels.sum(dim=1, keepdim=True)
        pixels = pixels + self.shift
        size = self.form.shape[1:]
        if pixels.shape[2:] == size:
            return pixels
        return F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)

    @property
    def _to_grey(self) -> bool:
        return self.channels > self.form.shape[0]


def _each(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device="cpu").view(-1, 1, 1)
