"""mixup (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", sec. 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer, unit

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Mixup(Regularizer):
    """Blends each training image, and its label, with another of the batch.

    Each example is blended by a share of its own. Clips are blended frame by frame. The training accuracy then counts
    where the most probable class of the blend is met.
    """

    name: ClassVar[str] = "mixup"
    mixes_classes: ClassVar[bool] = True

    alpha: Annotated[float, Field(ge=0.01)] = 0.2
    """The shares are from Beta(alpha, alpha): the smaller, the nearer to 0 or 1. The paper has 0.2 (ImageNet), 1 (CIFAR)."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_classes(data)

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        import torch

        from trainables.regularizers._batch import mixed_targets, own_shares, partners

        if not len(inputs):  # a rank may have no part of a small batch
            return inputs, targets
        partner, own = partners(inputs, generator), own_shares(inputs, self.alpha, generator)
        pixels = unit(inputs)
        blended = torch.lerp(pixels[partner], pixels, own.view(-1, *[1] * (inputs.ndim - 1)))
        return blended, mixed_targets(targets, partner, own)
