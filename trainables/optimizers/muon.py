"""Muon: momentum made orthogonal (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks")."""

from typing import Annotated, Any, ClassVar, Final, Literal

import torch
from pydantic import Field

from trainables.component import Count, NonNegative, Positive, Probability
from trainables.optimizer import ParameterGroup
from trainables.several_optimizers import SeveralOptimizers
from trainables.torch_optimizer import TorchOptimizer

_ADAMW: Final = "adamw_"


class Muon(TorchOptimizer):
    """torch.optim.Muon on every matrix, AdamW on what is none: biases, scales, convolutions.

    torch's Muon takes matrices (parameters of two dimensions) alone and refers to AdamW for the others. A model without
    matrices is refused.
    """

    name: ClassVar[str] = "muon"
    torch_class = torch.optim.Muon

    lr: Positive = 1e-3
    """Learning rate of the matrices."""
    weight_decay: NonNegative = 0.1
    """Share of each matrix taken off at every step, times the learning rate."""
    momentum: Probability = 0.95
    nesterov: bool = True
    """Look ahead along the momentum, where there is any."""
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315)
    """Of the polynomial of a Newton-Schulz iteration, which makes the momentum orthogonal."""
    eps: Positive = 1e-7
    ns_steps: Annotated[Count, Field(lt=100)] = 5
    """Newton-Schulz iterations."""
    adjust_lr_fn: Literal["original", "match_rms_adamw", "spectral_unclamped"] | None = None
    """How the rate follows a matrix's shape; null is original, match_rms_adamw lets AdamW's rates be used."""
    adamw_lr: Positive = 1e-3
    """Learning rate of what is no matrix, under AdamW."""
    adamw_betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Of AdamW: decay of the running means of gradients and of their squares."""
    adamw_eps: Positive = 1e-8
    adamw_weight_decay: NonNegative = 0.01
    """Of AdamW: share of each parameter taken off at every step, times its learning rate."""

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        """Raises ValueError where no parameter is a matrix: it would be AdamW under another name."""
        matrices, others = _parted(groups)
        if not matrices:
            raise ValueError("muon updates matrices, and no parameter of this model is one; use adamw")
        first = torch.optim.Muon(matrices, **self.options())
        return SeveralOptimizers([first, self._adamw(others)] if others else [first])

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in super().options().items() if not name.startswith(_ADAMW)}

    def _adamw(self, groups: list[ParameterGroup]) -> torch.optim.AdamW:
        given = super().options().items()
        options = {name.removeprefix(_ADAMW): value for name, value in given if name.startswith(_ADAMW)}
        return torch.optim.AdamW(groups, **options, fused=True)


def _parted(groups: list[ParameterGroup]) -> tuple[list[ParameterGroup], list[ParameterGroup]]:
    """The same groups with their matrices alone, and with what is none; empty ones left out."""
    matrices = [group | {"params": [part for part in group["params"] if part.ndim == 2]} for group in groups]
    others = [group | {"params": [part for part in group["params"] if part.ndim != 2]} for group in groups]
    return [group for group in matrices if group["params"]], [group for group in others if group["params"]]
