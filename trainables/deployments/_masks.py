"""Weights that are 0 and stay so, whatever a step makes of them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainables.errors import CannotDeploy
from trainables.training.learner import Learner, StepResult, WrappedLearner


def smallest(module: nn.Module, share: float, *, whole: bool) -> dict[str, Tensor]:
    """Which weights are among the smallest share by magnitude: a mask of truth values for each tensor of weights, by name.

    whole: of all of them together, and not of each tensor. Raises CannotDeploy where there are none.
    """
    weights = {name: each.detach() for name, each in module.named_parameters() if each.ndim > 1 and each.requires_grad}
    if not weights:
        raise CannotDeploy("it has no weights that learn: nothing can be pruned")
    if not whole:
        return {name: _smallest(each.abs().flatten(), share).view_as(each) for name, each in weights.items()}
    together = _smallest(torch.cat([each.abs().flatten() for each in weights.values()]), share)
    parts = torch.split(together, [each.numel() for each in weights.values()])
    return {name: part.view_as(each) for (name, each), part in zip(weights.items(), parts, strict=True)}


def _smallest(magnitudes: Tensor, share: float) -> Tensor:
    """So many as the share asks for, rounded; among equal ones the first."""
    mask = torch.zeros_like(magnitudes, dtype=torch.bool)
    mask[magnitudes.argsort(stable=True)[: round(share * len(magnitudes))]] = True
    return mask


class MaskedLearner(WrappedLearner):
    """A learner whose masked weights are 0 after every step."""

    def __init__(self, learner: Learner, masks: Mapping[str, Tensor]) -> None:
        super().__init__(learner)
        self._masked = [(self.module.get_parameter(name), mask) for name, mask in masks.items()]
        self._mask()

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        result = super().step(inputs, targets)
        self._mask()
        return result

    @torch.no_grad()
    def _mask(self) -> None:
        for weight, mask in self._masked:
            weight.masked_fill_(mask, 0)
