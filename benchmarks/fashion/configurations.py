"""The grid of the Fashion-MNIST benchmark: 4 optimizers x 4 learning rates x 2 weight decays x 2 dropouts."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, Literal

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop"]

OPTIMIZERS: Final[tuple[OptimizerName, ...]] = ("sgd", "adam", "adamw", "rmsprop")
LEARNING_RATES: Final = (0.003, 0.002, 0.001, 0.0005)
WEIGHT_DECAYS: Final = (1e-4, 5e-4)
DROPOUTS: Final = (0.1, 0.3)
MOMENTUM: Final = 0.9
CHANNELS: Final = (8, 16)
HIDDEN: Final = 64
BATCH_SIZE: Final = 128
SPLIT_SEED: Final = 0
_PART: Final = len(OPTIMIZERS) * len(LEARNING_RATES)
"""Trials of one weight decay and one dropout."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One trial. `weight_decay` is the L2 penalty on weights, not on biases."""

    optimizer: OptimizerName
    lr: float
    weight_decay: float
    dropout: float


ALL: Final = tuple(
    Configuration(optimizer, lr, weight_decay, dropout)
    for weight_decay, dropout, lr, optimizer in product(WEIGHT_DECAYS, DROPOUTS, LEARNING_RATES, OPTIMIZERS)
)


def first(trials: int) -> tuple[Configuration, ...]:
    """The first so many: up to 16 with one regularizer, or 32, 48 or 64. Raises ValueError for other numbers."""
    if trials < 1 or trials > len(ALL) or (trials > _PART and trials % _PART):
        raise ValueError(f"{trials} is no part of the grid: take 1 to {_PART}, or {2 * _PART}, {3 * _PART}, {len(ALL)}")
    return ALL[:trials]


def write_grid(path: Path, trials: int, epochs: int, *, gpus: int = 0) -> Path:
    """The same trials as `first(trials)`, as a grid file for `orch sweep`. Returns `path`."""
    chosen = first(trials)
    optimizers = dict.fromkeys((trial.optimizer, trial.lr) for trial in chosen)
    regularizers = dict.fromkeys((trial.weight_decay, trial.dropout) for trial in chosen)
    path.write_text(
        "name: fashion-grid\n"
        "axes:\n"
        "  dataset: fashion_mnist\n"
        f"  model: {{name: cnn, channels: {list(CHANNELS)}, hidden: [{HIDDEN}]}}\n"
        "  optimizer:\n"
        + "".join(f"    - {_optimizer(name, lr)}\n" for name, lr in optimizers)
        + "  regularizer:\n"
        + "".join(
            f"    - [{{name: dropout, p: {dropout:g}}}, {{name: weight_decay, value: {decay:g}}}]\n"
            for decay, dropout in regularizers
        )
        + f"protocol: {{epochs: {epochs}, batch_size: {BATCH_SIZE}}}\n"
        f"resources: {{gpus: {gpus}}}\n"
        "wandb: {mode: disabled}\n"
    )
    return path


def _optimizer(name: OptimizerName, lr: float) -> str:
    momentum = f", momentum: {MOMENTUM:g}" if name == "sgd" else ""
    return f"{{name: {name}, lr: {lr:g}{momentum}}}"
