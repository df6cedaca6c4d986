"""The parameters of several modules of one structure, a row of one tensor each."""

from collections.abc import Sequence
from math import prod
from typing import Final

import torch
from torch import Tensor, nn

from trainables.errors import CannotFuse
from trainables.fusion.placeless import ALIGNED


class Rows:
    """Rows of parameters and of their gradients, which the modules' own parameters are views of.

    What an optimizer changes in a row, a module has; what a module loads, its row has.
    """

    def __init__(self, modules: Sequence[nn.Module | None]) -> None:
        """modules: one for each place, None where nobody is; of equal structure, on one device, which they stay on.

        Raises CannotFuse: they are not alike, share a parameter within themselves, or have one that does not learn.
        """
        there = [module for module in modules if module is not None]
        first = _checked(there[0])
        for other in there[1:]:
            if _shapes(_checked(other)) != _shapes(first):
                raise CannotFuse("the nets do not have the same parameters")
        self.width: Final = len(modules)
        some = next(iter(first.values()))
        self._spans: dict[str, tuple[int, int]] = {}
        end = 0
        for name, parameter in first.items():
            self._spans[name] = end, end + parameter.numel()
            end = -(-(end + parameter.numel()) // ALIGNED) * ALIGNED
        self.values: Final = torch.zeros(self.width, end, dtype=some.dtype, device=some.device)
        """(width, numbers of a module with those between them)."""
        self.gradients: Final = torch.zeros_like(self.values)
        self._leaves: dict[str, Tensor] = {}
        for name, parameter in first.items():
            self._leaves[name] = self._view(self.values, name, parameter.shape).detach().requires_grad_()
        for place, module in enumerate(modules):
            if module is not None:
                self._take_in(place, module)
        self._gaps = self._between()

    def leaf(self, name: str) -> Tensor:
        """The parameter of all modules, (width, *its shape): what a pass differentiates."""
        return self._leaves[name]

    def differentiate(self, of: Tensor, also: Sequence[nn.Parameter] = ()) -> None:
        """Put the gradients of a scalar into their rows.

        also: parameters of modules by which the scalar depends on them beside the pass, such as those of a penalty.
        """
        leaves = list(self._leaves.values())
        found = torch.autograd.grad(of, [*leaves, *also], allow_unused=True)
        parts = []
        for leaf, gradient, gap in zip(leaves, found, self._gaps, strict=False):
            parts.append(_as_stored(torch.zeros_like(leaf) if gradient is None else gradient))
            if gap is not None:
                parts.append(gap)
        torch.cat(parts, dim=1, out=self.gradients)
        for parameter, gradient in zip(also, found[len(leaves) :], strict=True):
            if gradient is not None and parameter.grad is not None:
                parameter.grad.add_(gradient)

    def _take_in(self, place: int, module: nn.Module) -> None:
        for name, parameter in module.named_parameters():
            value, gradient = (self._view(of, name, parameter.shape)[place] for of in (self.values, self.gradients))
            with torch.no_grad():
                value.copy_(parameter)
            parameter.data, parameter.grad = value, gradient

    def _view(self, of: Tensor, name: str, shape: torch.Size) -> Tensor:
        """(width, *shape). Images' kernels lie as `channels_last` has them, as they do in a net that trains alone."""
        start, stop = self._spans[name]
        part = of[:, start:stop]
        if len(shape) != 4:
            return part.view(self.width, *shape)
        outputs, inputs, height, width = shape
        return part.view(self.width, outputs, height, width, inputs).permute(0, 1, 4, 2, 3)

    def _between(self) -> list[Tensor | None]:
        """Zeros that follow each parameter in a row; None where the next one begins at once."""
        starts = [*[start for start, _ in self._spans.values()][1:], self.values.shape[1]]
        sizes = [start - stop for (_, stop), start in zip(self._spans.values(), starts, strict=True)]
        return [self.values.new_zeros(self.width, size) if size else None for size in sizes]


def _checked(module: nn.Module) -> dict[str, nn.Parameter]:
    named = dict(module.named_parameters(remove_duplicate=False))
    if len({id(parameter) for parameter in named.values()}) < len(named):
        raise CannotFuse("layers of the net share a parameter")
    if not named:
        raise CannotFuse("the net has no parameters")
    frozen = [name for name, parameter in named.items() if not parameter.requires_grad]
    if frozen:
        raise CannotFuse(f"its parameter {frozen[0]} does not learn")
    hooked = [name for name, each in named.items() if each._backward_hooks or each._post_accumulate_grad_hooks]
    if hooked:
        raise CannotFuse(f"its parameter {hooked[0]} has a hook of its own")
    if len({(parameter.dtype, parameter.device) for parameter in named.values()}) > 1:
        raise CannotFuse("its parameters are of several types")
    return named


def _shapes(parameters: dict[str, nn.Parameter]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (parameter.shape, parameter.dtype) for name, parameter in parameters.items()}


def _as_stored(gradient: Tensor) -> Tensor:
    """(width, numbers), in the order in which a row has them."""
    laid = gradient.permute(0, 1, 3, 4, 2) if gradient.ndim == 5 else gradient
    return laid.reshape(len(laid), prod(laid.shape[1:]))
