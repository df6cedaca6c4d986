"""Random erasing (Zhong et al. 2020, "Random Erasing Data Augmentation", algorithm 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import Field, model_validator

from trainables.interfaces import Regularizer, unit

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.regularizers._batch import Rectangles

_ATTEMPTS: Final = 10
"""Rectangles that are drawn for an example, of which the first that fits is taken. Fewer than 1 in 10^4 need more."""
Share = Annotated[float, Field(gt=0, le=1)]


class Erasing(Regularizer):
    """Replaces a rectangle of a training image by noise. All frames of a clip lose the same one.

    As in the authors' code a rectangle that fits may lie anywhere; an image for which none fits stays whole.
    """

    name: ClassVar[str] = "erasing"

    probability: Share = 0.5
    """Share of the images that are changed."""
    area: tuple[Share, Share] = (0.02, 0.4)
    """Least and greatest share of the image that is erased."""
    aspect: Share = 0.3
    """Least height of the rectangle over its width; the greatest is the reciprocal."""
    fill: Literal["random", "black"] = "random"
    """Noise, each pixel and channel uniform by itself, or black."""

    @model_validator(mode="after")
    def _least_comes_first(self) -> Erasing:
        if self.area[0] > self.area[1]:
            raise ValueError(f"area is the smallest and the largest share, such as [0.02, 0.4], not {list(self.area)}")
        return self

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        import torch

        if not len(inputs):  # a rank may have no part of a small batch
            return inputs, targets
        mask = self._rectangles(inputs, generator).mask(inputs)
        return torch.where(mask, self._filling(inputs, generator), inputs), targets

    def _rectangles(self, inputs: Tensor, generator: torch.Generator) -> Rectangles:
        import torch

        from trainables.regularizers._batch import Rectangles

        count, rows, columns = len(inputs), inputs.shape[-2], inputs.shape[-1]
        size, ratio = torch.rand((2, _ATTEMPTS, count), generator=generator, device=inputs.device)
        changed, y, x = torch.rand((3, count), generator=generator, device=inputs.device)
        least, greatest = self.area
        area = rows * columns * (least + (greatest - least) * size)
        ratio = self.aspect + (1 / self.aspect - self.aspect) * ratio
        heights, widths = ((area * ratio).sqrt(), (area / ratio).sqrt())
        heights, widths = (side.round().long().clamp(min=1) for side in (heights, widths))
        fits = (heights <= rows) & (widths <= columns)
        taken = fits & (fits.cumsum(0) == 1) & (changed < self.probability)
        height, width = ((side * taken).sum(0) for side in (heights, widths))
        top, left = (y * (rows - height + 1)).long(), (x * (columns - width + 1)).long()
        return Rectangles(top, top + height, left, left + width)

    def _filling(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        if self.fill == "black":
            return torch.zeros((), dtype=inputs.dtype, device=inputs.device)
        noise = _random_bytes(inputs.shape, generator, inputs.device)
        return noise if inputs.dtype == torch.uint8 else unit(noise)


def _random_bytes(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    """Eight with each draw, which takes a sixth of the time of drawing each."""

    import torch

    draws = -(-shape.numel() // 8)
    words = torch.randint(-(1 << 63), (1 << 63) - 1, (draws,), generator=generator, device=device)
    return words.view(torch.uint8)[: shape.numel()].view(shape)
