"""What a trial has for itself of a fused training: its net, its optimizer, its loss, and what regularizers do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trainables.errors import CannotFuse
from trainables.interfaces import State
from trainables.training.fused.row_step import row_step
from trainables.training.learner import (
    Learner,
    LearnerParts,
    StepResult,
    clip,
    gradient_hooks,
    step_hooks,
    total_norm,
    training_loss,
)
from trainables.training.state import load_optimizer_state, optimizer_state


class FusedMember(Learner):
    """A learner whose batches go through a stack of nets, together with those of others.

    Its module's parameters are a row of the stack's once it has joined it, and its optimizer steps that row.
    """

    def __init__(self, parts: LearnerParts) -> None:
        self.module = parts.module
        for regularizer in parts.regularizers:
            regularizer.on_model(self.module)
        self.module.train()  # as it is when a training begins: what stays in evaluation then is refused
        self._optimizer_of = parts.optimizer
        self._clip = parts.protocol.clip
        self.task = parts.task
        loss = training_loss(parts)
        self.loss = None if loss == parts.task.loss else loss
        """What it minimises of outputs and targets, where that is not the task's plain loss."""
        self._gradient_hooks, self._step_hooks = gradient_hooks(parts.regularizers), step_hooks(parts.regularizers)
        self.layers = torch.Generator(parts.context.device)
        """What its net's layers draw from."""
        # ours draw from what they are handed; a generator of a GPU is not torch's own that they would draw from
        foreign = any(not type(each).__module__.startswith("trainables.") for each in parts.regularizers)
        self._is_foreign = foreign and self.layers.device.type == "cpu"

    @contextmanager
    def draws(self) -> Iterator[None]:
        """Inside, what a regularizer of somebody's own draws from torch's generator is this trial's."""
        if not self._is_foreign:
            yield
            return
        before = torch.get_rng_state()
        torch.set_rng_state(self.layers.get_state())
        try:
            yield
        finally:
            self.layers.set_state(torch.get_rng_state())
            torch.set_rng_state(before)

    def join(self, row: Tensor, gradients: Tensor) -> None:
        """Take its place in a stack, once. row, gradients: (numbers,), which its module's parameters are views of."""
        parameter = nn.Parameter(row)
        parameter.grad = self._gradients = gradients
        self._optimizer = self._optimizer_of.build([{"params": [parameter]}])
        (self._group,) = self._optimizer.param_groups
        self._configured = float(self._group["lr"])
        self._step = row_step(self._optimizer)
        self.parameters = list(self.module.parameters())
        self._there = [(each.data_ptr(), each.grad) for each in self.parameters]

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        raise CannotFuse("it learns in a stack alone")

    def learn(self) -> Tensor | None:
        """Step by the gradients in its row. What is given back is `StepResult.gradient_norm`."""
        for hook in self._gradient_hooks:
            hook(self.parameters)
        if self._gradient_hooks:
            self._refuse_replaced()
        norm = None
        if self._clip is not None or self.measures_gradients:
            norm = total_norm([self._gradients])
            if self._clip is not None:
                clip([self._gradients], norm, self._clip)
        for change in self._step_hooks:
            group = {**self._group, "params": self.parameters}
            change([group])
            self._group.update({key: value for key, value in group.items() if key != "params"})
        if self._step_hooks:
            self._refuse_replaced()
        self._step()
        return norm

    def _refuse_replaced(self) -> None:
        """What a hook puts in place of a parameter or its gradient is no part of the row: it has to change them in place."""
        for parameter, (begins, gradient) in zip(self.parameters, self._there, strict=True):
            if parameter.data_ptr() != begins or parameter.grad is not gradient:
                raise CannotFuse("a regularizer puts another tensor in place of a parameter or its gradient")

    def set_lr_factor(self, factor: float) -> None:
        self._group["lr"] = self._configured * factor

    @property
    def lr(self) -> float:
        return float(self._group["lr"])

    def state(self) -> State:
        return {"module": self.module.state_dict(), "optimizer": optimizer_state(self._optimizer)}

    def load_state(self, state: State) -> None:
        self.module.load_state_dict(state["module"])
        load_optimizer_state(self._optimizer, state["optimizer"])
