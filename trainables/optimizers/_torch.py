"""The optimizers of `torch.optim`, each by its name: a component's parameters are those of torch's class.

What torch calls `foreach`, `fused`, `capturable` and `differentiable` is how a step is computed and not what it comes
to, and `maximize` turns the goal around: none of them is a parameter here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from trainables.interfaces import Optimizer, ParameterGroup

if TYPE_CHECKING:
    import torch


class TorchOptimizer(Optimizer):
    """A class of `torch.optim`. Its fields are handed to it under their names, so they are torch's own."""

    elementwise: ClassVar[bool] = True
    torch_name: ClassVar[str]
    """Of the class, which is not imported to describe it: who only plans has no torch."""
    implementation: ClassVar[Mapping[str, Any]] = MappingProxyType({"foreach": True})
    """How the step is computed: `fused` is one kernel over all parameters, `foreach` one for each operation."""

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        return self.torch_class()(groups, **self.options(), **self.implementation)

    @classmethod
    def torch_class(cls) -> type[torch.optim.Optimizer]:
        import torch

        found: type[torch.optim.Optimizer] = getattr(torch.optim, cls.torch_name)
        return found

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `torch_class`, as torch itself would be given them."""
        return {name: getattr(self, name) for name in type(self).model_fields}
