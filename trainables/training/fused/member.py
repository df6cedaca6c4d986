"""What a trial has for itself of a fused training: its net, its optimizer, its loss, and what regularizers do."""

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
        self._optimizer_of = parts.optimizer
        self._clip = parts.protocol.clip
        self.task = parts.task
        loss = training_loss(parts)
        self.loss = None if loss == parts.task.loss else loss
        """What it minimises of outputs and targets, where that is not the task's plain loss."""
        self._gradient_hooks, self._step_hooks = gradient_hooks(parts.regularizers), step_hooks(parts.regularizers)
        self.layers = torch.Generator(parts.context.device)
        """What its net's layers draw from."""

    def join(self, row: Tensor, gradients: Tensor) -> None:
        """Take its place in a stack, once. row, gradients: (numbers,), which its module's parameters are views of."""
        parameter = nn.Parameter(row)
        parameter.grad = self._gradients = gradients
        self._optimizer = self._optimizer_of.build([{"params": [parameter]}])
        (self._group,) = self._optimizer.param_groups
        self._configured = float(self._group["lr"])
        self._step = row_step(self._optimizer)
        self._own = list(self.module.parameters())

    def step(self, inputs: Tensor, targets: Tensor) -> StepResult:
        raise CannotFuse("it learns in a stack alone")

    def learn(self) -> Tensor | None:
        """Step by the gradients in its row. What is given back is `StepResult.gradient_norm`."""
        for hook in self._gradient_hooks:
            hook(self._own)
        norm = None
        if self._clip is not None or self.measures_gradients:
            norm = total_norm([self._gradients])
            if self._clip is not None:
                clip([self._gradients], norm, self._clip)
        for change in self._step_hooks:
            change([{**self._group, "params": self._own}])
        self._step()
        return norm

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
