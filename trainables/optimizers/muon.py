"""Muon: momentum made orthogonal (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from trainables.component import Count, NonNegative, Positive, Probability
from trainables.dataset import DataInfo
from trainables.interfaces import Model, ParameterGroup, Regularizer
from trainables.optimizers._torch import TorchOptimizer
from trainables.task import task_named

if TYPE_CHECKING:
    import torch

_ADAMW: Final = "adamw_"


class Muon(TorchOptimizer):
    """torch.optim.Muon on every matrix, AdamW on the rest: biases, scales, convolutions.

    torch's Muon takes matrices (parameters of two dimensions) alone and refers to AdamW for the others. A model of which no
    matrix learns is refused: it would be AdamW under another name.
    """

    name: ClassVar[str] = "muon"
    elementwise: ClassVar[bool] = False
    torch_name: ClassVar[str] = "Muon"

    lr: Positive = 1e-3
    """Learning rate of the matrices."""
    weight_decay: NonNegative = 0.1
    """Share of each matrix taken off at every step, times the learning rate."""
    momentum: Probability = 0.95
    """Share of the previous steps that a step keeps."""
    nesterov: bool = True
    """Look ahead along the momentum, where there is any."""
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315)
    """Of the polynomial of a Newton-Schulz iteration, which makes the momentum orthogonal."""
    eps: Positive = 1e-7
    """Added to the norm of an update before it is made orthogonal, so that it is never 0."""
    ns_steps: Annotated[Count, Field(lt=100)] = 5
    """Newton-Schulz iterations."""
    adjust_lr_fn: Literal["original", "match_rms_adamw", "spectral_unclamped"] | None = None
    """How the rate follows a matrix's shape; null is original, match_rms_adamw lets AdamW's rates be used."""
    adamw_lr: Positive = 1e-3
    """Learning rate of everything that is not a matrix, under AdamW."""
    adamw_betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Of AdamW: decay of the running means of gradients and of their squares."""
    adamw_eps: Positive = 1e-8
    """The same of the AdamW that takes all other parameters."""
    adamw_weight_decay: NonNegative = 0.01
    """Of AdamW: share of each parameter taken off at every step, times its learning rate."""

    def unsupported_reason(self, data: DataInfo, model: Model, regularizers: Sequence[Regularizer]) -> str | None:
        from trainables.training.meta import on_meta_device

        task = task_named(data.task)
        try:
            net = on_meta_device(lambda: model.build(data, task.outputs(data)))
        except Exception:  # noqa: BLE001 - whatever is wrong with a model (a plug-in's, say), its trial will tell
            return None
        if any(part.ndim == 2 and part.requires_grad for part in net.parameters()):
            return None
        return f"muon updates matrices, but none of {model.name} learns; use adamw"

    def build(self, groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        """Raises ValueError where no parameter is a matrix."""

        import torch

        from trainables.training.state import SeveralOptimizers

        matrices, others = _parted(groups)
        if not matrices:
            raise ValueError("muon updates matrices, but no parameter of this model is one; use adamw")
        first = torch.optim.Muon(matrices, **self.options())
        return SeveralOptimizers([first, self._adamw(others)] if others else [first])

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in super().options().items() if not name.startswith(_ADAMW)}

    def _adamw(self, groups: list[ParameterGroup]) -> torch.optim.AdamW:
        import torch

        given = super().options().items()
        options = {name.removeprefix(_ADAMW): value for name, value in given if name.startswith(_ADAMW)}
        return torch.optim.AdamW(groups, **options, fused=True)


def _parted(groups: list[ParameterGroup]) -> tuple[list[ParameterGroup], list[ParameterGroup]]:
    """The same groups with their matrices alone, and with what is none; empty ones left out."""
    matrices = [group | {"params": [part for part in group["params"] if part.ndim == 2]} for group in groups]
    others = [group | {"params": [part for part in group["params"] if part.ndim != 2]} for group in groups]
    return [group for group in matrices if group["params"]], [group for group in others if group["params"]]
