"""The network and the optimizers that every peer trains: those of the program's `cnn` and of its optimizers."""

from typing import Any

import torch
from torch import nn

from benchmarks.fashion.configurations import CHANNELS, HIDDEN, MOMENTUM, Configuration

_ADAMW_DECAY = 0.01
"""torch's own default, which a grid that says nothing of it means too."""


def network(dropout: float) -> nn.Sequential:
    """(batch, 1, 28, 28) to (batch, 10)."""
    first, second = CHANNELS
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(second * 7 * 7, HIDDEN),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(HIDDEN, 10),
    )


def optimizer(module: nn.Module, configuration: Configuration, *, fast: bool) -> torch.optim.Optimizer:
    """fast: torch's fused kernels, which its defaults do not choose on a CPU; RMSprop has none."""
    weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in module.parameters() if parameter.ndim == 1]
    penalised: dict[str, Any] = {"params": weights, "weight_decay": configuration.weight_decay}
    groups = [penalised, {"params": biases}]
    fused, foreach = (True, True) if fast else (None, None)
    match configuration.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=configuration.lr, momentum=MOMENTUM, fused=fused)
        case "adam":
            return torch.optim.Adam(groups, lr=configuration.lr, fused=fused)
        case "adamw":  # its own decay stands beside the penalty, which `penalise` adds to the gradient
            parameters = module.parameters()
            return torch.optim.AdamW(parameters, lr=configuration.lr, weight_decay=_ADAMW_DECAY, fused=fused)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=configuration.lr, foreach=foreach)


def penalise(module: nn.Module, configuration: Configuration) -> None:
    """Adds AdamW's L2 penalty to the gradients; the other optimizers have it built in."""
    if configuration.optimizer == "adamw":
        weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
        gradients = [parameter.grad for parameter in weights if parameter.grad is not None]
        torch._foreach_add_(gradients, [weight.data for weight in weights], alpha=configuration.weight_decay)
