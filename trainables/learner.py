"""How one batch is learnt."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.unlabelled import UnlabelledBatches
from trainables.dataset import DataInfo
from trainables.gradients import clip, gradients_of, total_norm
from trainables.optimizer import Optimizer, ParameterGroup
from trainables.picture import Picture
from trainables.precision import autocast
from trainables.protocol import Protocol
from trainables.regularizer import Loss, Regularizer, TrainingFacts
from trainables.same_draws import SameDraws
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
    facts: TrainingFacts
    unlabelled: UnlabelledBatches | None = None
    """All pictures that may be learnt from without their labels; None in a trial put together by hand."""


class StepResult(NamedTuple):
    """Sums over this rank's part of the batch, left on the device so that a step does not wait for it."""

    loss: Tensor
    hits: Tensor | None
    gradient_norm: Tensor | None = None
    """Total 2-norm of the gradients over the whole batch before they are clipped, the same on every rank. None where
    `measures_gradients` is off, or the learner has no single gradient."""


class Objective(NamedTuple):
    """A batch on the way forward."""

    minimised: Tensor
    """What the gradients are of; averaged over the ranks it is the mean over the whole batch."""
    loss: Tensor
    """Mean loss of this rank's labelled examples."""
    outputs: Tensor
    """For the labelled examples: (batch, outputs)."""


class Learner(ABC):
    """Owns the module and its optimizer; `fit` owns epochs, evaluation, selection and stopping."""

    module: nn.Module
    """What is evaluated and kept: from standardised inputs to outputs."""
    measures_gradients: bool = False
    """Set by `fit` for the steps whose gradients are to be measured: that costs a small step several percent."""
    passes: int = 1
    """How often an epoch goes through the training split."""

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

    def picture(self) -> Picture | None:
        """What the trained learner shows of itself, to be kept beside the figures; None where there is nothing to see."""
        return None


class SupervisedLearner(Learner):
    """One module, one optimizer, one loss between outputs and targets."""

    def __init__(self, parts: LearnerParts) -> None:
        self.module = parts.module
        self._task, self._context = parts.task, parts.context
        for regularizer in parts.regularizers:
            regularizer.on_model(self.module)
        self._parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        self._clip = parts.protocol.clip
        self._reevaluates = parts.optimizer.reevaluates
        self._optimizer = _optimizer(self._parameters, parts)
        self._configured = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._loss = _loss(parts)
        self._gradient_hooks = [
            regularizer.on_gradients
            for regularizer in parts.regularizers
            if type(regularizer).on_gradients is not Regularizer.on_gradients
        ]
        self._step_hooks = [
            regularizer.on_step
            for regularizer in parts.regularizers
            if type(regularizer).on_step is not Regularizer.on_step
        ]
        self._casting = autocast(parts.protocol, parts.context.device)
        self._forward = _forward(parts)

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        if self._reevaluates:
            self._before_step()
            return self._searching_step(inputs, targets)
        result = self._evaluated(inputs, targets)
        self._before_step()
        self._optimizer.step()
        return result

    def set_lr_factor(self, factor: float) -> None:
        for group, configured in zip(self._optimizer.param_groups, self._configured, strict=True):
            group["lr"] = configured * factor

    @property
    def lr(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    def _evaluated(self, inputs: Tensor, targets: Tensor) -> StepResult:
        """Leaves in the parameters the gradients of the mean loss over the batch, changed by regularizers and clipped."""
        self._optimizer.zero_grad(set_to_none=True)
        objective = self._objective(inputs, targets)
        torch.autograd.backward(objective.minimised)
        for hook in self._gradient_hooks:
            hook(self._parameters)
        norm = self._measured_and_clipped()
        with torch.no_grad():
            hits = self._task.hits(objective.outputs.detach(), targets)
            return StepResult(objective.loss.detach() * len(inputs), hits, norm)

    def _objective(self, inputs: Tensor, targets: Tensor) -> Objective:
        """Forward, in the precision of the trial."""
        with self._casting:
            outputs = self._forward(inputs)
        loss = self._mean_loss(outputs.float(), targets)
        return Objective(loss * self._share(len(inputs)), loss, outputs)

    def _mean_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        # the mean over no examples is not a number, and this rank's gradients have to take part all the same
        return self._loss(outputs, targets) if len(outputs) else outputs.sum() * 0

    def _before_step(self) -> None:
        for hook in self._step_hooks:
            hook(self._optimizer.param_groups)

    def _measured_and_clipped(self) -> Tensor | None:
        if self._clip is None and not self.measures_gradients:
            return None
        gradients = gradients_of(self._parameters)
        norm = total_norm(gradients)
        if self._clip is not None:
            clip(gradients, norm, self._clip)
        return norm

    def _searching_step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        """For an optimizer that evaluates a batch again and again. What is reported is the first evaluation."""
        draws = SameDraws(self._context.device)
        results: list[StepResult] = []

        def closure() -> float:
            with draws.again() if results else nullcontext():
                results.append(self._evaluated(inputs, targets))
            return self._mean(results[-1].loss, len(inputs))

        self._optimizer.step(closure)
        return results[0]

    def _share(self, count: int) -> Tensor | float:
        """Makes the ranks' averaged gradients those of the mean over the whole batch, when its parts are unequal."""
        if self._context.world_size == 1:
            return 1.0
        return count * self._context.world_size / self._total(float(count))

    def _mean(self, loss: Tensor, count: int) -> float:
        """Over the whole batch: ranks that searched by losses of their own would part ways."""
        return float(self._context.total(loss) / self._total(float(count)))

    def _total(self, count: float) -> Tensor:
        return self._context.total(torch.tensor(count, device=self._context.device))


def _optimizer(parameters: list[nn.Parameter], parts: LearnerParts) -> torch.optim.Optimizer:
    groups: list[ParameterGroup] = [{"params": parameters}]
    for regularizer in parts.regularizers:
        groups = regularizer.on_parameter_groups(groups)
    return parts.optimizer.build(groups)


def _loss(parts: LearnerParts) -> Loss:
    loss: Loss = parts.task.loss
    # the last to wrap is the first to act
    for regularizer in sorted(parts.regularizers, key=lambda each: each.changes_targets):
        loss = regularizer.on_loss(loss, parts.facts)
    return loss


def _forward(parts: LearnerParts) -> Callable[[Tensor], Tensor]:
    """The module as it is trained: with gradients averaged over the ranks, compiled where the protocol asks for it."""
    wrapped = parts.context.wrap(parts.module)
    if not parts.protocol.compile:
        return wrapped
    from trainables.compilation import compiled

    return compiled(wrapped, parts)
