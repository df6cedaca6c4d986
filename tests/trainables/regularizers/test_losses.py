"""Losses against formulas written out by hand, alone and together."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from trainables.context import SingleContext
from trainables.dataset import DataInfo
from trainables.interfaces import Loss, Regularizer, TrainingFacts
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.regularizers.class_weights import ClassWeights
from trainables.regularizers.focal_loss import FocalLoss
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.tasks.classification import Classification
from trainables.training.learner import LearnerParts, SupervisedLearner

COUNTS = (50, 10, 2, 0)
LABELS = torch.tensor([0, 2, 1, 0, 0, 2, 1])
DATA = DataInfo("images", "image", (1, 2, 2), "classification", ("a", "b", "c", "d"))


def logits(scale: float = 2.0) -> Tensor:
    return torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * scale


def loss_of(*regularizers: Regularizer) -> Loss:
    """As a trial puts it together."""
    module = torch.nn.Linear(1, 1)
    context = SingleContext(torch.device("cpu"), print)
    facts = TrainingFacts(COUNTS)
    parts = LearnerParts(module, DATA, Classification(), Sgd(), regularizers, Protocol(), context, facts)
    return SupervisedLearner(parts)._loss


def by_hand(outputs: Tensor, targets: Tensor, weights: Sequence[float], gamma: float) -> Tensor:
    """-1/n sum over examples and classes of w_k t_k (1 - p_k)^gamma log p_k."""
    total = torch.zeros((), dtype=torch.float64)
    for row, target in zip(outputs.softmax(1), targets, strict=True):
        for weight, wanted, p in zip(weights, target, row, strict=True):
            total = total - weight * wanted * (1 - p) ** gamma * p.log()
    return total / len(outputs)


def test_inverse_frequencies_are_scikit_learn_s_balanced_weights() -> None:
    counts = (50, 10, 2)
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert ClassWeights().weights(counts) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.999999])
def test_weights_are_in_the_proportion_of_inverse_effective_numbers_with_a_mean_of_1(beta: float) -> None:
    weights = ClassWeights(beta=beta).weights(COUNTS)
    assert sum(count * weight for count, weight in zip(COUNTS, weights, strict=True)) / 62 == pytest.approx(1)
    # the effective number is the sum of the first n powers of beta (Cui et al. 2019, proposition 1)
    effective = [sum(beta**power for power in range(count)) for count in COUNTS]
    assert weights[0] * effective[0] == pytest.approx(weights[1] * effective[1])
    assert weights[0] * effective[0] == pytest.approx(weights[2] * effective[2])
    assert weights[3] == 0, "a class without a training example"


def test_equal_classes_weigh_1() -> None:
    assert ClassWeights().weights((7, 7, 7)) == pytest.approx([1, 1, 1])
    assert ClassWeights(beta=0.99).weights((7, 0, 7)) == pytest.approx([1, 0, 1])


def test_weighed_cross_entropy_is_torch_s_sum_over_the_number_of_examples() -> None:
    weights = torch.tensor(ClassWeights().weights(COUNTS), dtype=torch.float64)
    expected = F.cross_entropy(logits(), LABELS, weight=weights, reduction="sum") / len(LABELS)
    torch.testing.assert_close(loss_of(ClassWeights())(logits(), LABELS), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_its_formula_with_its_gradient(gamma: float) -> None:
    outputs, again = logits().requires_grad_(), logits().requires_grad_()
    loss = loss_of(FocalLoss(gamma=gamma))(outputs, LABELS)
    expected = by_hand(again, F.one_hot(LABELS, 4), [1] * 4, gamma)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(outputs.grad, again.grad)


def test_focal_loss_of_gamma_0_is_cross_entropy() -> None:
    torch.testing.assert_close(loss_of(FocalLoss(gamma=0))(logits(), LABELS), F.cross_entropy(logits(), LABELS))


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0])
def test_focal_loss_has_finite_gradients_where_the_prediction_is_certain(gamma: float) -> None:
    outputs = torch.tensor([[200.0, 0, 0, 0], [0, 200.0, 0, 0]], requires_grad=True)
    loss = loss_of(FocalLoss(gamma=gamma))(outputs, torch.tensor([0, 0]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(100), "half of 200: one is right, one is wrong"
    assert outputs.grad is not None and bool(torch.isfinite(outputs.grad).all())
    torch.testing.assert_close(outputs.grad[0], torch.zeros(4))
    torch.testing.assert_close(outputs.grad[1], torch.tensor([-0.5, 0.5, 0, 0]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    "order",
    [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)],
)
def test_all_losses_together_are_one_formula_whatever_their_order(order: tuple[int, ...], soft: bool) -> None:
    """Smoothed first, then weighed: as torch does it with `weight` and `label_smoothing`."""
    every: list[Regularizer] = [LabelSmoothing(value=0.2), ClassWeights(beta=0.9), FocalLoss(gamma=1.5)]
    sharp = F.one_hot(LABELS, 4).double()
    sharp = 0.7 * sharp + 0.3 * sharp.roll(1, 0) if soft else sharp  # as mixup gives them
    expected = by_hand(logits(), 0.8 * sharp + 0.2 / 4, ClassWeights(beta=0.9).weights(COUNTS), 1.5)
    loss = loss_of(*(every[index] for index in order))
    torch.testing.assert_close(loss(logits(), sharp if soft else LABELS), expected)


@pytest.mark.parametrize("order", [1, -1])
def test_smoothed_and_weighed_is_torch_s(order: int) -> None:
    weights = torch.tensor(ClassWeights().weights(COUNTS), dtype=torch.float64)
    expected = F.cross_entropy(logits(), LABELS, weight=weights, label_smoothing=0.1, reduction="sum") / len(LABELS)
    parts: list[Regularizer] = [LabelSmoothing(value=0.1), ClassWeights()]
    torch.testing.assert_close(loss_of(*parts[::order])(logits(), LABELS), expected)


def test_losses_on_floats_as_a_trial_gives_them() -> None:
    loss = loss_of(LabelSmoothing(), ClassWeights(), FocalLoss())(logits().float(), LABELS)
    assert loss.dtype == torch.float32 and loss.shape == ()
