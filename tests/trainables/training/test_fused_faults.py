"""What regularizers and nets of anybody's do to a stack: to themselves what they would do alone, to the others nothing."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.training.test_fused_trial import Member, Outcome, alone, plain, task_of, together
from trainables.dataset import DataLocation
from trainables.errors import CannotFuse
from trainables.fusion.layers import stacked
from trainables.interfaces import Loss, ParameterGroup, Regularizer, TrainingFacts
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.optimizers.sgd import Sgd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Deed(Regularizer):
    """Does what its parameter says."""

    name: ClassVar[str] = "deed"
    kind: str = "none"

    def on_model(self, module: nn.Module) -> None:
        self.__dict__["_module"] = module
        for part in module.modules():
            if self.kind == "bn_momentum" and isinstance(part, nn.BatchNorm2d):
                part.momentum, part.eps = 0.9, 1.0
            if self.kind == "add_relu" and isinstance(part, nn.Sequential) and len(part) > 3:
                part.append(nn.ReLU())
                break
            if self.kind == "evaluation" and isinstance(part, nn.BatchNorm2d):
                part.eval()
        for parameter in module.parameters():
            if self.kind == "hook":
                parameter.register_hook(lambda gradient: gradient * 0)
            if self.kind == "frozen":
                parameter.requires_grad = False

    def on_loss(self, loss: Loss, facts: TrainingFacts) -> Loss:
        def changed(outputs: Tensor, targets: Tensor) -> Tensor:
            match self.kind:
                case "l2":
                    squares = [each.square().sum() for each in self.__dict__["_module"].parameters()]
                    return loss(outputs, targets) + 0.01 * torch.stack(squares).sum()
                case "raise_loss":
                    raise ValueError("in the loss")
                case "vector_loss":
                    return outputs.sum(dim=1)
                case "detached":
                    return loss(outputs.detach(), targets)
                case "noise":
                    return loss(outputs + 0.1 * torch.randn_like(outputs), targets)
            return loss(outputs, targets)

        return changed

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self.kind == "raise_batch":
            raise ValueError("in the batch")
        if self.kind == "resize":
            return inputs[:-1], targets[:-1]
        return inputs, targets

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            if self.kind == "rebind":
                parameter.grad = torch.zeros_like(parameter)

    def on_step(self, groups: Sequence[ParameterGroup]) -> None:
        if self.kind == "rate":
            groups[0]["lr"] = 0.0


NOTHING: Member = (Sgd(lr=0.05, momentum=0.9), (), {})


def with_deed(place: DataLocation, kind: str, model: Any = None) -> tuple[list[Any], list[Outcome]]:
    """A trial with the deed before one without, in one stack."""
    net = model or Mlp(hidden=(16,))
    deed: Member = (Sgd(lr=0.05, momentum=0.9), (Deed(kind=kind),), {})
    trial_tasks = [task_of(place, net, member, 0, epochs=2) for member in (deed, NOTHING)]
    return trial_tasks, together(trial_tasks)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("raise_loss", "in the loss"),
        ("raise_batch", "in the batch"),
        ("vector_loss", "has to be a scalar that depends on the net"),
        ("detached", "has to be a scalar that depends on the net"),
        ("resize", "makes a batch of"),
        ("hook", "has a hook of its own"),
        ("frozen", "does not learn"),
        ("rebind", "puts another tensor in place"),
    ],
)
def test_it_ends_itself_alone(place: DataLocation, kind: str, says: str) -> None:
    trial_tasks, (done, innocent) = with_deed(place, kind)
    assert isinstance(done.ended, Exception) and says in str(done.ended)
    assert innocent.trained == alone(trial_tasks[1]).trained


@pytest.mark.parametrize("kind", ["l2", "rate"])
def test_it_acts_as_it_does_without_a_stack(place: DataLocation, kind: str) -> None:
    trial_tasks, (done, innocent) = with_deed(place, kind)
    losses, wanted = ([row.train_loss for row in each.rows] for each in (done, plain(trial_tasks[0])))
    assert losses == pytest.approx(wanted, rel=1e-4)
    assert losses != pytest.approx([row.train_loss for row in innocent.rows], rel=1e-2)
    assert innocent.trained == alone(trial_tasks[1]).trained


def test_what_it_draws_from_torch_s_own_generator_is_its_own(place: DataLocation) -> None:
    trial_tasks, (done, innocent) = with_deed(place, "noise")
    assert done.trained == alone(trial_tasks[0]).trained
    assert done.rows[0].train_loss == pytest.approx(plain(trial_tasks[0]).rows[0].train_loss, rel=1e-4)
    assert innocent.trained == alone(trial_tasks[1]).trained


@pytest.mark.parametrize("kind", ["bn_momentum", "add_relu"])
def test_nets_of_other_settings_train_in_stacks_of_their_own(place: DataLocation, kind: str) -> None:
    model = Cnn(channels=(4,), hidden=(8,), batch_norm=True)
    trial_tasks, outcomes = with_deed(place, kind, model)
    for trial_task, outcome in zip(trial_tasks, outcomes, strict=True):
        assert outcome.trained == alone(trial_task).trained
        assert outcome.rows[0].train_loss == pytest.approx(plain(trial_task).rows[0].train_loss, rel=1e-3)
    assert outcomes[0].rows[0].train_loss != pytest.approx(outcomes[1].rows[0].train_loss, rel=1e-3)


def test_what_a_regularizer_puts_into_evaluation_trains_again_as_it_does_without_a_stack(place: DataLocation) -> None:
    model = Cnn(channels=(4,), hidden=(8,), batch_norm=True)
    trial_tasks, (done, innocent) = with_deed(place, "evaluation", model)
    assert done.rows[0].train_loss == pytest.approx(plain(trial_tasks[0]).rows[0].train_loss, rel=1e-3)
    assert innocent.trained == alone(trial_tasks[1]).trained


def test_a_layer_that_stays_in_evaluation_is_refused(place: DataLocation) -> None:
    layer = nn.BatchNorm2d(4)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), layer).train()
    layer.eval()
    with pytest.raises(CannotFuse, match="left in evaluation"):
        stacked([net], [None])
