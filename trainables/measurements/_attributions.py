"""Maps of where an answer comes from: how much each pixel of an image speaks for a class, by five methods.

Each takes a net from standardised inputs (batch, *shape) to logits (batch, classes), the inputs, and for each of them the
class that is asked about, int64 (batch,). A map is float32 (batch, height, width), in logits where nothing else is said:
above 0 a pixel speaks for the class, below 0 against it. The channels of a pixel, and the frames of a clip, are added up.
A baseline is what stands in place of a pixel that is not there: a number, or a tensor that expands to the inputs.

Dropout is off and statistics are fixed while a net is asked. Afterwards it is as it was: no gradients in its parameters,
no hooks, each part in its own mode. NoMap is raised where no gradients come through the net and a method needs them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from trainables.errors import NoMap

STEPS: Final = 32
"""Gradients on the way from the baseline to an input."""
_SHARE: Final = 9
"""Of an image's side, for a window."""
_SMALLEST: Final = 3
"""A window of fewer pixels hides next to nothing of an image that is made of them."""


def saliency(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The gradient of the logit: its largest size among a pixel's channels (Simonyan et al. 2014, section 3.1).

    It has no sign, and is in logits for each unit of the input.
    """
    with asked(net, inputs):
        return _gradient(net, inputs, targets).abs().flatten(1, -3).amax(dim=1).float()


def integrated_gradients(
    net: nn.Module, inputs: Tensor, targets: Tensor, baseline: Tensor | float, steps: int = STEPS
) -> Tensor:
    """The mean gradient on the straight way from the baseline, times that way (Sundararajan et al. 2017, equation 1).

    The integral is Gauss and Legendre's sum, captum's default method.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    with asked(net, inputs):
        start = _expanded(baseline, inputs)
        way = inputs - start
        total = torch.zeros_like(way)
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            total += weight / 2 * _gradient(net, start + (1 + node) / 2 * way, targets)
        return _added_up(total * way)


def completeness_gap(net: nn.Module, inputs: Tensor, targets: Tensor, baseline: Tensor | float, maps: Tensor) -> Tensor:
    """By how much the sum of each map misses what the logit gains from the baseline to the input: logits (batch,), at
    least 0. Maps of integrated gradients have none, but for their few steps (the axiom of completeness, section 3 there).
    """
    with asked(net, inputs), torch.no_grad():
        gained = logits_of(net, inputs, targets) - logits_of(net, _expanded(baseline, inputs), targets)
    return (maps.double().sum(dim=(1, 2)) - gained.double().to(maps.device)).abs().float()


def expected_gradients(
    net: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    references: Tensor,
    generator: torch.Generator,
    samples: int = STEPS,
) -> Tensor:
    """Integrated gradients in the mean over references (count, *shape) as baselines (Erion et al. 2021, equation 3).

    Each of the samples is a reference and a place on the way from it, both drawn alike for each input. The generator is of
    the CPU, and its numbers go to one input after another: how they are cut into batches makes no difference.
    """
    drawn = torch.rand(len(inputs), samples, 2, generator=generator).to(inputs.device)
    chosen = (drawn[..., 0] * len(references)).long().clamp(max=len(references) - 1)
    with asked(net, inputs):
        total = torch.zeros_like(inputs)
        for sample in range(samples):
            start = references[chosen[:, sample]]
            way = inputs - start
            share = drawn[:, sample, 1].view(-1, *[1] * (inputs.ndim - 1))
            total += way * _gradient(net, start + share * way, targets)
        return _added_up(total / samples)


def occlusion(
    net: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    baseline: Tensor | float,
    window: int | None = None,
    stride: int | None = None,
) -> Tensor:
    """What the logit loses when a square window is hidden (Zeiler and Fergus 2014, section 4.2).

    window, stride: in pixels; a ninth of the image's smaller side, at least 3, and two thirds of that where not given, which
    are some 200 windows. A pixel has the mean of the windows that lie over it, and 0 if none does; the last window of a row
    may reach over the edge. A clip's window is hidden in all of its frames.
    """
    height, width = inputs.shape[-2:]
    window = window or max(_SMALLEST, min(height, width) // _SHARE)
    stride = stride or max(1, 2 * window // 3)
    with asked(net, inputs), torch.no_grad():
        hiding = _expanded(baseline, inputs)
        lost = torch.zeros(len(inputs), height, width, device=inputs.device)
        windows = torch.zeros(height, width, device=inputs.device)
        whole = logits_of(net, inputs, targets)
        for top, left in product(_starts(height, window, stride), _starts(width, window, stride)):
            place = (..., slice(top, top + window), slice(left, left + window))
            hidden = inputs.clone()
            hidden[place] = hiding[place]
            lost[place] += (whole - logits_of(net, hidden, targets))[:, None, None]
            windows[place] += 1
        return lost / windows.clamp(min=1)


@contextmanager
def asked(net: nn.Module, inputs: Tensor) -> Iterator[None]:
    """Within it the net is in evaluation mode and has gradients; then each of its parts is in the mode it was in before.

    cuDNN's recurrent layers have no backward pass in evaluation mode: torch's own take their place.
    """
    modes = [(part, part.training) for part in net.modules()]
    recurrent = inputs.device.type == "cuda" and any(isinstance(part, nn.RNNBase) for part, _ in modes)
    kernels = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    net.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad(), kernels:
            yield
    finally:
        net.train(modes[0][1])  # some parts do more than remember their mode
        for part, mode in modes:
            part.training = mode


def logits_of(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The logit of each input's class, float32 (batch,)."""
    # what was made in inference mode cannot be kept for a backward pass; its copy can
    outputs: Tensor = net(inputs).float()
    return outputs.gather(1, targets.clone()[:, None])[:, 0]


def gradient_of(logits: Tensor, tensor: Tensor) -> Tensor:
    """Of each input's logit, with respect to a tensor on the way to it. Raises NoMap where none reaches it."""
    gradient = None
    if logits.requires_grad:  # torch gives nothing, with a warning, where a layer on the way has no backward pass
        (gradient,) = torch.autograd.grad(logits.sum(), tensor, allow_unused=True)
    if gradient is None:
        raise NoMap("no gradients come through the net, as through layers whose arithmetic is in whole numbers")
    return gradient


def _gradient(net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    leaf = inputs.detach().clone().requires_grad_()
    return gradient_of(logits_of(net, leaf, targets), leaf)


def _expanded(baseline: Tensor | float, inputs: Tensor) -> Tensor:
    return torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand_as(inputs)


def _added_up(attributions: Tensor) -> Tensor:
    return attributions.flatten(1, -3).sum(dim=1).float()


def _starts(side: int, window: int, stride: int) -> range:
    """Where windows begin: up to the first that reaches the edge."""
    return range(0, max(side - window, 0) + stride, stride)
