"""How `sgan` learns: labels, real against generated, and the generator (Salimans et al. 2016, sections 3.1 and 5)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.dataset import ImageArray
from trainables.interfaces import State
from trainables.models._gan_networks import Discriminator, Generator
from trainables.training.image import grid
from trainables.training.learner import LearnerParts, Objective, StepResult, SupervisedLearner
from trainables.training.state import load_optimizer_state, optimizer_state

_SHOWN: Final = 100
_COLUMNS: Final = 10
_FEWEST: Final = 2
"""Images generated at once, at least: batch norm has no statistics of one value."""


@dataclass(frozen=True, slots=True)
class Generating:
    """What `sgan` says of its generator; its parameters of the same names say what they are."""

    latent: int
    channels: Sequence[int]
    loss: Literal["feature_matching", "standard"]
    passes: int | None


class SemiSupervisedLearner(SupervisedLearner):
    """A supervised step whose loss also asks what is real, and after it a step of the generator.

    With s(x) the logsumexp of an image's K logits, the probability of being real is sigmoid(s): that of a softmax over
    K + 1 logits whose last is 0. The reported loss and accuracy are those of the labelled examples alone.
    """

    def __init__(self, parts: LearnerParts, generating: Generating) -> None:
        """parts.unlabelled has to be there. Draws the generator's weights from torch's global generator."""
        super().__init__(parts)
        assert isinstance(parts.module, Discriminator)
        assert parts.unlabelled is not None
        self._discriminator, self._unlabelled = parts.module, parts.unlabelled
        self._generating = generating
        generator = Generator(generating.latent, generating.channels, parts.data.shape)
        self._generator = generator.to(parts.context.device).to(memory_format=torch.channels_last)
        self._noise_device = parts.context.device
        self._generator_parameters = list(self._generator.parameters())
        self._generator_optimizer = parts.optimizer.build([{"params": self._generator_parameters}])
        self._generator_configured = [float(group["lr"]) for group in self._generator_optimizer.param_groups]
        self.passes = generating.passes or math.ceil(len(parts.unlabelled) / max(1, sum(parts.facts.class_counts)))

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        self._real = self._unlabelled.draw()
        result = super().step(inputs, targets)
        self._improve_generator()
        return result

    def set_lr_factor(self, factor: float) -> None:
        super().set_lr_factor(factor)
        for group, configured in zip(self._generator_optimizer.param_groups, self._generator_configured, strict=True):
            group["lr"] = configured * factor

    def state(self) -> State:
        return super().state() | {
            "generator": self._generator.state_dict(),
            "generator_optimizer": optimizer_state(self._generator_optimizer),
            "unlabelled": self._unlabelled.state(),
        }

    def load_state(self, state: State) -> None:
        super().load_state(state)
        self._generator.load_state_dict(state["generator"])
        load_optimizer_state(self._generator_optimizer, state["generator_optimizer"])
        self._unlabelled.load_state(state["unlabelled"])

    def image(self) -> ImageArray:
        """A hundred samples of the generator as it is at the end, the same noise in every trial."""
        noise = torch.randn(_SHOWN, self._generating.latent, generator=torch.Generator().manual_seed(0))
        self._generator.eval()
        with torch.inference_mode():
            images = self._generator(noise.to(self._noise_device))
        self._generator.train()
        return grid(images, _COLUMNS)

    def _objective(self, inputs: Tensor, targets: Tensor, share: float) -> Objective:
        with torch.no_grad():
            fake = self._generated(len(self._real))
        parts = [len(inputs), len(self._real), len(fake)]
        with self._casting:
            # one pass, since gradients are averaged over the ranks once for each
            outputs = self._forward(torch.cat((inputs, self._real, fake)))
        labelled, real, generated = torch.split(outputs.float(), parts)
        loss = self._mean_loss(labelled, targets)
        # half of each, as in the authors' code
        adversarial = (_mean(F.softplus(-real.logsumexp(1))) + _mean(F.softplus(generated.logsumexp(1)))) / 2
        minimised = loss * share + adversarial * self._share(len(self._real), self._unlabelled.drawn_size)
        return Objective(minimised, loss, labelled)

    def _improve_generator(self) -> None:
        with self._casting:
            loss = self._generator_loss(self._generated(len(self._real)))
        # of the generator alone: a backward pass would leave gradients in the discriminator, and average them
        share = self._share(len(self._real), self._unlabelled.drawn_size)
        gradients = torch.autograd.grad(loss * share, self._generator_parameters)
        for parameter, gradient in zip(self._generator_parameters, gradients, strict=True):
            parameter.grad = self._context.all_reduce(gradient) / self._context.world_size
        self._generator_optimizer.step()

    def _generator_loss(self, fake: Tensor) -> Tensor:
        """Feature matching compares this rank's own means."""
        features = self._discriminator.features(fake)
        if self._generating.loss == "standard":
            return _mean(F.softplus(-self._discriminator.head(features).float().logsumexp(1)))
        with torch.no_grad():
            wanted = _mean(self._discriminator.features(self._real).float())
        return (_mean(features.float()) - wanted).square().mean()

    def _generated(self, count: int) -> Tensor:
        """Standardised images from fresh noise."""
        noise = torch.randn(max(_FEWEST, count), self._generating.latent, device=self._noise_device)
        black, white = self._unlabelled.black, self._unlabelled.white
        images: Tensor = black + (white - black) * self._generator(noise)
        return images.contiguous(memory_format=torch.channels_last)


def _mean(values: Tensor) -> Tensor:
    """Over the first axis; 0 of no examples, which a rank may have."""
    return values.sum(0) / max(1, len(values))
