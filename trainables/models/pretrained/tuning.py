"""Which part of a pretrained net goes on learning."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Final, Literal, Self, cast

import torch
from torch import Tensor, nn

from trainables.models._layers import DropoutSite
from trainables.models.pretrained.inputs import PixelInputs

Tune = Literal["frozen", "last", "all"]

_NEARLY_ALL: Final = 0.9
_MAX_NUMBERS: Final = 1 << 22
"""Of the inputs that the net sees at once when it does not learn: images are small before they are resized here."""


class TunedNet(nn.Module):
    """A net on pixels, of which a part learns: (batch, *DataInfo.shape) to (batch, outputs).

    What does not learn stays as it was trained: its batch norm keeps its statistics, its dropout stays off, also while
    the rest is training.
    """

    def __init__(self, inputs: PixelInputs, net: nn.Module, tune: Tune) -> None:
        super().__init__()
        self.inputs, self.net = inputs, net
        learning = _learning(net, tune)
        learns = {id(parameter) for part in learning for parameter in part.parameters()}
        for parameter in net.parameters():
            parameter.requires_grad_(id(parameter) in learns)
        # a tuple, since these are parts of `net` already
        self._still = tuple(_still(net, learning))
        self._most = max(1, _MAX_NUMBERS // prod(inputs.form.shape))
        self._features_of: tuple[nn.Linear, ...] = ()

    def forward(self, inputs: Tensor) -> Tensor:
        for head in self._features_of:
            if inputs.shape[1:] == (head.in_features, 1, 1):
                return cast(Tensor, head(inputs.flatten(1)))
        outputs: Tensor
        if torch.is_grad_enabled() or len(inputs) <= self._most:
            outputs = self.net(self.inputs(inputs))
        else:
            outputs = torch.cat([self.net(self.inputs(part)) for part in torch.split(inputs, self._most)])
        return outputs

    def read_features(self, head: nn.Linear) -> None:
        """Accept from now on inputs of (batch, head.in_features, 1, 1), which reach the head; images stay images."""
        self._features_of = (head,)

    @contextmanager
    def reading_pixels(self) -> Iterator[None]:
        """Inside, inputs are pixels in 0..1, however those of the trial are standardised."""
        own = self.inputs
        self.inputs = PixelInputs(own.channels, own.form).to(own.scale.device)
        try:
            yield
        finally:
            self.inputs = own

    def learns_only(self, head: nn.Module) -> bool:
        """Whether nothing that comes before the head learns or drops units."""
        behind = {id(part) for part in (*self._still, *head.modules())}
        drops = any(isinstance(part, DropoutSite) and part.p > 0 and id(part) not in behind for part in self.modules())
        own = {id(parameter) for parameter in head.parameters()}
        return not drops and all(id(part) in own for part in self.parameters() if part.requires_grad)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self._still:
            part.training = False
        return self


def head_of(net: nn.Module) -> tuple[str, nn.Module]:
    """The layer that gives the outputs, by name: the last linear layer or convolution. Raises ValueError: there is none."""
    layers = [(name, part) for name, part in net.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    if not layers:
        raise ValueError("it has no linear layer and no convolution that could be replaced")
    return layers[-1]


def last_part(net: nn.Module, head: nn.Module) -> list[nn.Module]:
    """Return what stands before the head: the last part with weights, and norms after it.

    A row of parts is one part while it holds at most half of the numbers, else its last part is.

    In most nets this is the last residual block; in those that end in a convolution of 1x1 or a second linear layer,
    that one.
    """
    found: list[nn.Module] = []
    for part in _from_behind(net, head, (_count(net) - _count(head)) / 2):
        found.append(part)
        if any(parameter.ndim > 1 for parameter in part.parameters()):
            break
    return found


def _learning(net: nn.Module, tune: Tune) -> list[nn.Module]:
    if tune == "all":
        return [net]
    _, head = head_of(net)
    return [head, *last_part(net, head)] if tune == "last" else [head]


def _from_behind(module: nn.Module, head: nn.Module, most: float) -> Iterator[nn.Module]:
    """Parts from the last to the first without the head, divided until each holds at most so many numbers."""
    for child in reversed(list(module.children())):
        holds_head = any(part is head for part in child.modules())
        if child is head or not _count(child) - (_count(head) if holds_head else 0):
            continue
        if holds_head or (_count(child) > most and _is_several(child)):
            yield from _from_behind(child, head, most)
        else:
            yield child


def _is_several(module: nn.Module) -> bool:
    """Whether it is a row of parts, or little more than a wrapper of one; a block with branches is one part."""
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return True
    return any(_is_several(part) and _count(part) > _NEARLY_ALL * _count(module) for part in module.children())


def _still(net: nn.Module, learning: list[nn.Module]) -> Iterator[nn.Module]:
    """Return what never trains: everything up to the last part with numbers of its own that does not learn.

    What stands behind it, such as dropout before the head, does train.
    """
    learns = {id(part) for root in learning for part in root.modules()}
    around = {id(part) for part in net.modules() if any(id(inner) in learns for inner in part.modules())}
    parts = [part for part in net.modules() if id(part) not in learns]
    last = max((place for place, part in enumerate(parts) if _has_own(part)), default=-1)
    return (part for part in parts[: last + 1] if id(part) not in around)


def _has_own(part: nn.Module) -> bool:
    tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
    return bool(tensors)


def _count(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())
