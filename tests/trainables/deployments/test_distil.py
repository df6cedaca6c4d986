"""A student that learns from a teacher: the loss against torch's own, and what comes of it."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import NOWHERE, TrainedNet, train
from trainables.deployments._distilling import distillation_loss
from trainables.deployments.distil import Distil
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.models.sgan import Sgan

STUDENT = {"name": "mlp", "hidden": [8]}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return train(tmp_path_factory.mktemp("net"), Cnn(channels=(8,)), epochs=12)


def test_the_loss_is_the_divergence_of_softened_probabilities() -> None:
    torch.manual_seed(0)
    outputs, said = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    p, q = F.softmax(said / 3, dim=1), F.softmax(outputs / 3, dim=1)
    by_hand = 9 * (p * (p / q).log()).sum(dim=1).mean()
    assert float(distillation_loss(outputs, said, 3.0)) == pytest.approx(float(by_hand), rel=1e-12)
    assert float(distillation_loss(said, said, 3.0)) == pytest.approx(0, abs=1e-12)


def test_the_student_comes_nearer_to_the_teacher_than_by_itself(net: TrainedNet) -> None:
    taught = net.variant(Distil.from_parameters({"student": STUDENT, "alpha": 1.0, "epochs": 30}))
    alone = net.variant(Distil.from_parameters({"student": STUDENT, "alpha": 0.0, "epochs": 30}))
    assert taught.variant is not None and alone.variant is not None
    assert taught.variant.max_abs_difference < alone.variant.max_abs_difference
    assert taught.costs.parameters == alone.costs.parameters == 64 * 8 + 8 + 8 * 8 + 8
    assert taught.epochs == alone.epochs == 30 and taught.steps == alone.steps


def test_by_itself_it_is_trained_as_any_net_is(net: TrainedNet) -> None:
    first, again = (
        net.variant(Distil.from_parameters({"student": "mlp", "alpha": 0.0, "temperature": t})) for t in (1, 9)
    )
    assert (first.val, first.test) == (again.val, again.test), "nothing of the teacher"
    assert first.epochs == net.spec.protocol.epochs


def test_what_cannot_be_taught_says_so() -> None:
    info = FewDigits().info(NOWHERE)
    numbers = FewDigits(task="regression").info(NOWHERE)
    assert "needs classes" in (Distil(student=Mlp()).unsupported_reason(numbers, Mlp()) or "")
    assert "in a way of its own" in (Distil(student=Sgan()).unsupported_reason(info, Mlp()) or "")
    assert "leaves nothing" in (Distil(student=Cnn(channels=(4,) * 5)).unsupported_reason(info, Mlp()) or "")
    assert Distil(student=Mlp()).unsupported_reason(info, Mlp()) is None


@pytest.mark.parametrize("wrong", ["mlq", {"hidden": 3}, 7, {"name": "mlp", "hidden": -1}])
def test_a_student_that_is_no_model_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Distil.from_parameters({"student": wrong})
