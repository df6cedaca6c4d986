"""CutMix (Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers", sec. 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.regularizers._batch import Rectangles


class Cutmix(Regularizer):
    """Pastes a rectangle of another image of the batch into each, and mixes the labels by the pixels of each.

    Each example has a rectangle of its own; in a clip it is the same in all frames. The training accuracy then counts
    where the class with the most pixels is met. After `mixup` in one level, what is pasted is a blend.
    """

    name: ClassVar[str] = "cutmix"
    mixes_classes: ClassVar[bool] = True

    alpha: Annotated[float, Field(ge=0.01)] = 1.0
    """What stays of an image is from Beta(alpha, alpha), before the rectangle is cut off at the edge; 1 is uniform."""
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the examples that are changed. The authors' code has 0.5 for CIFAR."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_classes(data)

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        import torch

        from trainables.regularizers._batch import mixed_targets, partners

        if not len(inputs):  # a rank may have no part of a small batch
            return inputs, targets
        partner = partners(inputs, generator)
        rectangles = self._rectangles(inputs, generator)
        own = 1 - rectangles.area() / (inputs.shape[-2] * inputs.shape[-1])
        return torch.where(rectangles.mask(inputs), inputs[partner], inputs), mixed_targets(targets, partner, own)

    def _rectangles(self, inputs: Tensor, generator: torch.Generator) -> Rectangles:
        """In the shape of the image, about a point anywhere in it, and cut off at its edges."""

        import torch

        from trainables.regularizers._batch import Rectangles, own_shares

        share = 1 - own_shares(inputs, self.alpha, generator)
        changed, y, x = torch.rand((3, len(inputs)), generator=generator, device=inputs.device)
        side = share.sqrt() * (changed < self.probability)
        return Rectangles(*_span(y, side, inputs.shape[-2]), *_span(x, side, inputs.shape[-1]))


def _span(centre: Tensor, share: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """Return where it starts and ends along one axis. centre, share: of the axis, 0..1."""
    length = (share * pixels).round().long()
    start = (centre * pixels).long() - length // 2
    return start.clamp(min=0), (start + length).clamp(max=pixels)
