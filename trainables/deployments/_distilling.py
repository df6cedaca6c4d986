"""A training step with a teacher."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.training.learner import LearnerParts, Objective, SupervisedLearner


class DistillingLearner(SupervisedLearner):
    """Minimises a mean of the loss by the labels and of the divergence from what a teacher says of the same inputs."""

    def __init__(self, parts: LearnerParts, teacher: nn.Module, temperature: float, alpha: float) -> None:
        super().__init__(parts)
        self._teacher, self._temperature, self._alpha = teacher.eval(), temperature, alpha

    def _objective(self, inputs: Tensor, targets: Tensor, share: float) -> Objective:
        learnt = super()._objective(inputs, targets, share)
        if not self._alpha:
            return learnt
        with torch.no_grad(), self._casting:
            said = self._teacher(inputs).float()
        divergence = distillation_loss(learnt.outputs.float(), said, self._temperature)
        mixed = self._alpha * divergence * share + (1 - self._alpha) * learnt.minimised
        return learnt._replace(minimised=mixed)


def distillation_loss(outputs: Tensor, said: Tensor, temperature: float) -> Tensor:
    """Mean Kullback-Leibler divergence of softened probabilities, times the square of the temperature (sec. 2 there): its
    gradients then have the size of those of the labels. outputs, said: (batch, classes) of student and teacher.
    """
    wanted = F.log_softmax(said / temperature, dim=1)
    given = F.log_softmax(outputs / temperature, dim=1)
    return F.kl_div(given, wanted, reduction="batchmean", log_target=True) * temperature**2
