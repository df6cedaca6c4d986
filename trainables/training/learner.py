"""One training step on one batch."""

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, NamedTuple, runtime_checkable

import torch
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.batches import UnlabelledBatches
from trainables.dataset import DataInfo, ImageArray
from trainables.interfaces import Loss, Optimizer, ParameterGroup, Regularizer, State, TrainingFacts
from trainables.process_state.precision import autocast
from trainables.protocol import Protocol
from trainables.task import Task
from trainables.training.state import load_optimizer_state, optimizer_state

# torch.compile before training begins, so that its time is set-up and no step waits for it.


def load_compiler() -> None:
    """Have torch do what it does as a process compiles for the first time. Takes some ten seconds.

    It imports much, wraps functions of its optimizers and modules, raises the recursion limit, sets variables of the
    environment and starts threads.
    """
    with torch.random.fork_rng([]):
        small = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        outputs: Tensor = torch.compile(small)(torch.zeros(2, 2))
        torch.autograd.backward(outputs.sum())


def _tell_of_determinism() -> None:
    """The compiler knows of it only from this call, which imports it: `numerics` makes another."""
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled(), warn_only=warn_only)


def compiled(module: nn.Module, parts: "LearnerParts") -> Callable[[Tensor], Tensor]:
    """The module compiled for a full batch, and for one of any size (an epoch's last may be smaller).

    Where gradients are accumulated, batches are the parts. The warm-up runs forward and backward passes over zeros. What
    they change (batch-norm statistics, gradients, the random state) is put back, so the first step finds everything as it
    was built.
    """
    # what earlier trials compiled would count against the limit of recompilations, after which all runs uncompiled
    torch.compiler.reset()
    _tell_of_determinism()
    result: Callable[[Tensor], Tensor] = torch.compile(module)
    full = parts.context.shard(parts.protocol.batch_size)
    size = max(1, (full.stop - full.start) // parts.protocol.accumulate)
    buffers = [buffer.clone() for buffer in parts.module.buffers()]
    devices = [parts.context.device] if parts.context.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        for count in {size: None, max(2, size // 2): None}:
            _pass(result, count, parts)
    with torch.no_grad():
        for buffer, before in zip(parts.module.buffers(), buffers, strict=True):
            buffer.copy_(before)
    parts.module.zero_grad(set_to_none=True)
    return result


def _pass(module: Callable[[Tensor], Tensor], count: int, parts: "LearnerParts") -> None:
    inputs = torch.zeros(count, *parts.data.shape, device=parts.context.device)
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with autocast(parts.protocol, parts.context.device):
        outputs = module(inputs)
    torch.autograd.backward(outputs.float().sum())


# The total size of a step's gradients: measured, and kept below a limit.


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Return the gradients of the parameters that took part."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """2-norm of all gradients as one vector (Pascanu et al. 2013, algorithm 1): a scalar, left on their device."""
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return norm


def clip(gradients: Sequence[Tensor], norm: Tensor, most: float) -> None:
    """Shorten the gradients in place so that their total norm, which is `norm`, is at most `most`.

    As torch.nn.utils.clip_grad_norm_ does it, without waiting for the device.
    """
    if gradients:
        torch._foreach_mul_(list(gradients), (most / (norm + 1e-6)).clamp(max=1.0))


# The same random draws (dropout) in every evaluation of one batch, as a line search needs them.


class ReplayedDraws:
    """Remembers where torch's own generators stand when it is made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._on_cpu = torch.get_rng_state()
        self._on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside, what is drawn is what was drawn from there on; afterwards all is as it was before."""
        with torch.random.fork_rng([] if self._on_device is None else [self._device]):
            torch.set_rng_state(self._on_cpu)
            if self._on_device is not None:
                torch.cuda.set_rng_state(self._on_device, self._device)
            yield


_MIN_IN_A_PART: Final = 2
"""Batch norm has no statistics of one value."""


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
    """All images that may be learnt from without their labels; None in a trial put together by hand."""


class StepResult(NamedTuple):
    """Sums over this rank's part of the batch, left on the device so that a step does not wait for it."""

    loss: Tensor
    correct: Tensor | None
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
    batch_examples: int = 0
    """Of the batch to be learnt, over all ranks: set by `fit` before each step, where there are several."""
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

    @abstractmethod
    def state(self) -> State:
        """All that steps have changed, to go on from later. Called by every rank; what the first one answers is kept."""

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Go on from a state of a learner of the same parts. Raises KeyError, RuntimeError, ValueError: it was another."""

    def weights(self) -> dict[str, Tensor]:
        """A copy of the module's state as it is."""
        return {name: value.detach().clone() for name, value in self.module.state_dict().items()}

    def image(self) -> ImageArray | None:
        """What the trained learner shows of itself, to be kept beside the figures; None where there is nothing to see."""
        return None


class WrappedLearner(Learner):
    """A learner that does something beside another's steps; all else is the other's."""

    def __init__(self, learner: Learner) -> None:
        self.module, self.passes = learner.module, learner.passes
        self._learner = learner

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        self._learner.measures_gradients = self.measures_gradients
        self._learner.batch_examples = self.batch_examples
        return self._learner.step(inputs, targets)

    def set_lr_factor(self, factor: float) -> None:
        self._learner.set_lr_factor(factor)

    @property
    def lr(self) -> float:
        return self._learner.lr

    def state(self) -> State:
        return self._learner.state()

    def load_state(self, state: State) -> None:
        self._learner.load_state(state)

    def image(self) -> ImageArray | None:
        return self._learner.image()


@runtime_checkable
class OwnLearner(typing.Protocol):
    """A model that learns in a way of its own."""

    def learner(self, parts: LearnerParts) -> Learner:
        """Make what takes a training step on a batch."""


class SupervisedLearner(Learner):
    """Trains one module with one optimizer and one loss between outputs and targets."""

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
        self._loss = training_loss(parts)
        self._gradient_hooks, self._step_hooks = gradient_hooks(parts.regularizers), step_hooks(parts.regularizers)
        self._casting = autocast(parts.protocol, parts.context.device)
        self._accumulate = parts.protocol.accumulate
        self._wrapped = parts.context.wrap(parts.module)  # its gradients are averaged over the ranks
        self._forward = compiled(self._wrapped, parts) if parts.protocol.compile else self._wrapped

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

    def state(self) -> State:
        return {"module": self.module.state_dict(), "optimizer": optimizer_state(self._optimizer)}

    def load_state(self, state: State) -> None:
        self.module.load_state_dict(state["module"])
        load_optimizer_state(self._optimizer, state["optimizer"])

    def _evaluated(self, inputs: Tensor, targets: Tensor) -> StepResult:
        """Leaves in the parameters the gradients of the mean loss over the batch, changed by regularizers and clipped."""
        self._optimizer.zero_grad(set_to_none=True)
        loss, correct = self._passed(inputs, targets)
        for hook in self._gradient_hooks:
            hook(self._parameters)
        return StepResult(loss, correct, self._measured_and_clipped())

    def _passed(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Forward and backward, part by part where gradients are accumulated; sums of losses and hits."""
        share = self._share(len(inputs), self.batch_examples)
        count = min(self._accumulate, len(inputs) // _MIN_IN_A_PART)
        if count <= 1:
            return self._part_passed(inputs, targets, share)
        *first, last = zip(inputs.tensor_split(count), targets.tensor_split(count), strict=True)
        shares = share / len(inputs)
        with self._context.no_sync(self._wrapped):  # the ranks meet in the last part alone
            sums = [self._part_passed(*part, shares * len(part[0])) for part in first]
        sums.append(self._part_passed(*last, shares * len(last[0])))
        correct = [each for _, each in sums if each is not None]
        return torch.stack([loss for loss, _ in sums]).sum(), torch.stack(correct).sum() if correct else None

    def _part_passed(self, inputs: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor | None]:
        objective = self._objective(inputs, targets, share)
        torch.autograd.backward(objective.minimised)
        with torch.no_grad():
            correct = self._task.correct(objective.outputs.detach(), targets)
            return objective.loss.detach() * len(inputs), correct

    def _objective(self, inputs: Tensor, targets: Tensor, share: float) -> Objective:
        """Forward, in the precision of the trial. share: what the loss counts for."""
        with self._casting:
            outputs = self._forward(inputs)
        loss = self._mean_loss(outputs.float(), targets)
        return Objective(loss * share, loss, outputs)

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
        """Step an optimizer that evaluates a batch again and again. What is reported is the first evaluation."""
        draws = ReplayedDraws(self._context.device)
        results: list[StepResult] = []

        def closure() -> float:
            with draws.again() if results else nullcontext():
                results.append(self._evaluated(inputs, targets))
            return self._mean(results[-1].loss, len(inputs))

        self._optimizer.step(closure)
        return results[0]

    def _share(self, count: int, whole: int) -> float:
        """Makes the ranks' averaged gradients those of the mean over the whole batch, when its parts are unequal.

        count: examples of this rank's part. whole: of the batch, which every rank knows without asking the others.
        """
        if self._context.world_size == 1:
            return 1.0
        assert whole >= count, "`batch_examples` is set before a step of several ranks"
        return count * self._context.world_size / whole

    def _mean(self, loss: Tensor, count: int) -> float:
        """Over the whole batch: ranks that searched by losses of their own would part ways."""
        whole = count if self._context.world_size == 1 else self.batch_examples
        return float(self._context.all_reduce(loss) / whole)


def _optimizer(parameters: list[nn.Parameter], parts: LearnerParts) -> torch.optim.Optimizer:
    groups: list[ParameterGroup] = [{"params": parameters}]
    for regularizer in parts.regularizers:
        groups = regularizer.on_parameter_groups(groups)
    return parts.optimizer.build(groups)


def training_loss(parts: LearnerParts) -> Loss:
    """The task's loss, as the regularizers wrap it."""
    loss: Loss = parts.task.loss
    # the last to wrap is the first to act
    for regularizer in sorted(parts.regularizers, key=lambda each: each.changes_targets):
        loss = regularizer.on_loss(loss, parts.facts)
    return loss


def gradient_hooks(regularizers: Sequence[Regularizer]) -> list[Callable[[Iterable[nn.Parameter]], None]]:
    """`on_gradients` of those that have one."""
    return [each.on_gradients for each in regularizers if type(each).on_gradients is not Regularizer.on_gradients]


def step_hooks(regularizers: Sequence[Regularizer]) -> list[Callable[[Sequence[ParameterGroup]], None]]:
    """`on_step` of those that have one."""
    return [each.on_step for each in regularizers if type(each).on_step is not Regularizer.on_step]
