"""How one batch is learnt."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainables.context import Context
from trainables.dataset import DataInfo
from trainables.optimizer import Optimizer, ParameterGroup
from trainables.protocol import Protocol
from trainables.regularizer import Regularizer
from trainables.task import Task


@dataclass(frozen=True)
class LearnerParts:
    """What a learner is made of."""

    module: nn.Module
    """On its device, freshly built."""
    data: DataInfo
    task: Task
    optimizer: Optimizer
    regularizers: Sequence[Regularizer]
    protocol: Protocol
    context: Context


class StepResult(NamedTuple):
    """Sums over this rank's part of the batch, left on the device so that a step does not wait for it."""

    loss: Tensor
    hits: Tensor | None


class Learner(ABC):
    """Owns the module and its optimizer; `fit` owns epochs, evaluation, selection and stopping."""

    module: nn.Module
    """What is evaluated and kept: from standardised inputs to outputs."""

    @abstractmethod
    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        """Learn one batch of standardised inputs."""

    @abstractmethod
    def set_lr_factor(self, factor: float) -> None:
        """Multiply every group's configured learning rate."""

    @property
    @abstractmethod
    def lr(self) -> float:
        """The first group's learning rate as it stands."""
