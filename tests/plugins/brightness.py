"""A plug-in as a user would write it: a data set with a numeric target, and a regularizer that uses every hook."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.interfaces import Loss, ParameterGroup, Regularizer, TrainingFacts
from trainables.records import EpochRow


class Brightness(Dataset):
    """How bright a handwritten digit is: the mean of its pixels, 0 to 16 (scikit-learn's digits, 1,797 of 8 x 8)."""

    name = "brightness"

    def info(self, place: DataLocation) -> DataInfo:
        return DataInfo(name=self.name, input="image", shape=(1, 8, 8), task="regression", targets=1)

    def fingerprint(self, place: DataLocation) -> str:
        return "digits-1"

    def load(self, place: DataLocation) -> Examples:
        images = load_digits().images.astype(np.float32)
        brightness = images.mean(axis=(1, 2))[:, None]
        return Examples(images[:, None] / 16, brightness, np.zeros(len(images), dtype=bool))


class Probe(Regularizer):
    """Acts through one hook, in a way that nobody can miss."""

    name = "probe"

    hook: Literal["model", "parameter_groups", "loss", "batch", "gradients", "stopping"]

    def on_model(self, module: nn.Module) -> None:
        if self.hook == "model":
            for parameter in module.parameters():
                nn.init.zeros_(parameter).requires_grad_(False)
            list(module.parameters())[-1].requires_grad_(True)  # the bias of the output is left to learn the mean

    def on_parameter_groups(self, groups: list[ParameterGroup]) -> list[ParameterGroup]:
        return [{**group, "lr": 0.0} for group in groups] if self.hook == "parameter_groups" else groups

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        return (lambda outputs, targets: 1000 * loss(outputs, targets)) if self.hook == "loss" else loss

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return inputs, targets + 1 if self.hook == "batch" else targets

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        if self.hook == "gradients":
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.zero_()

    def should_stop(self, history: Sequence[EpochRow]) -> bool:
        return self.hook == "stopping" and len(history) == 2
