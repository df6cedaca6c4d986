"""Images moved as little as nobody sees, and so that a net errs: the two attacks that every other is compared with.

Both work on pixels in 0..1 before any preprocessing, so that `eps`, the most by which a number of an image changes, means
the same whatever a net makes of its input: 8 / 255 is eight levels of 256. They draw on a net's gradient alone; where it has
none that leads anywhere (it is masked), they find nothing, which says nothing of the net: see `monotone`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.errors import CannotDeploy

Logits = Callable[[Tensor], Tensor]
"""Pixels float32 in 0..1 (images, ...) to what an evaluating net says of them, preprocessing included: (images, classes)."""
_RELATIVE_STEP: Final = 2.5
"""Of eps, over all steps: enough to get from any point of the ball to any other (Madry et al. 2018, section 5)."""


def fgsm(logits: Logits, pixels: Tensor, targets: Tensor, eps: float) -> Tensor:
    """The fast gradient sign method: one step of `eps` along the sign of the loss's gradient (Goodfellow et al. 2015,
    "Explaining and Harnessing Adversarial Examples", section 4).

    pixels: float32 in 0..1 (images, ...); the result is of their shape, within eps of them and in 0..1. targets: int64
    (images,). Nothing of the net changes. Raises CannotDeploy where no gradient comes through the net at all.
    """
    assert eps >= 0
    return (pixels + eps * _uphill(logits, pixels, targets)).clamp(0, 1)


def pgd(logits: Logits, pixels: Tensor, targets: Tensor, eps: float, steps: int, generator: torch.Generator) -> Tensor:
    """Projected gradient descent: so many steps of 2.5 * eps / steps each, from a random point within eps, each back to the
    nearest one within (Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks", section 2.1).

    generator: of the random start, on its own device. All else as in `fgsm`.
    """
    assert eps >= 0
    assert steps >= 1
    moved = (pixels + _start(pixels, eps, generator)).clamp(0, 1)
    for _ in range(steps):
        further = moved + _RELATIVE_STEP * eps / steps * _uphill(logits, moved, targets)
        moved = (pixels + (further - pixels).clamp(-eps, eps)).clamp(0, 1)
    return moved


def random_signs(pixels: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """The control: each number is moved by `eps` up or down alike, without a look at the net. As `fgsm` otherwise."""
    assert eps >= 0
    up = torch.randint(2, pixels.shape, generator=generator, device=generator.device).to(pixels.device)
    return (pixels + eps * (2 * up - 1)).clamp(0, 1)


def monotone(accuracy_random: float, accuracy_fgsm: float, accuracy_pgd: float) -> bool:
    """Whether the stronger attack leaves no more right answers, of random signs, FGSM and PGD at the same eps.

    Shares or counts of the same images, compared exactly. False tells that gradients are masked, and that what survived
    is no sign of robustness (Athalye et al. 2018, "Obfuscated Gradients Give a False Sense of Security", section 3.1). True
    does not prove that they are not.
    """
    return accuracy_pgd <= accuracy_fgsm <= accuracy_random


def _start(pixels: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    start = torch.empty(pixels.shape, device=generator.device)
    return start.uniform_(-eps, eps, generator=generator).to(pixels.device)


def _uphill(logits: Logits, pixels: Tensor, targets: Tensor) -> Tensor:
    """-1, 0 or 1 for each number: the direction in which the cross-entropy of its image grows; 0 where that is NaN.

    The sum over images, so that none's direction depends on how many stand beside it.
    """
    with torch.inference_mode(mode=False), torch.enable_grad(), _without_cudnn(pixels.device):
        moving = pixels.detach().clone().requires_grad_()
        answers = logits(moving).float()
        if not answers.requires_grad:
            raise CannotDeploy("no gradients come through the net, and attacks follow them")
        loss = F.cross_entropy(answers, targets.clone(), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moving, allow_unused=True, materialize_grads=True)
    return gradient.sign()


def _without_cudnn(device: torch.device) -> AbstractContextManager[object]:
    """Its recurrent layers have a backward pass in training mode alone."""
    return torch.backends.cudnn.flags(enabled=False) if device.type == "cuda" else nullcontext()
