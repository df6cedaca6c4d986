"""What each regularizer does to the model, the loss, the gradients and the stopping."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.trainables.epoch_rows import epoch_row
from trainables.dataset import DataInfo
from trainables.interfaces import Model, Optimizer, Regularizer, TrainingFacts
from trainables.models._layers import DropoutSite
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.optimizers.adam import Adam
from trainables.optimizers.adamw import AdamW
from trainables.optimizers.rmsprop import RmsProp
from trainables.optimizers.sgd import Sgd
from trainables.records import EpochRow
from trainables.registry import registry
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.early_stopping import EarlyStopping
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.regularizers.weight_decay import WeightDecay

DATA = DataInfo("images", "image", (1, 8, 8), "classification", ("a", "b", "c"))
NUMBERS = DataInfo("ages", "image", (1, 8, 8), "regression")
CLIPS = DataInfo("films", "clip", (5, 3, 8, 8), "classification", ("a", "b", "c"))


@pytest.mark.parametrize("model", [Mlp(), Cnn(channels=(4,), hidden=()), Resnet(depth=8), Lstm(layers=2)])
def test_dropout_changes_training_only_and_without_it_no_random_number_is_drawn(model: Model) -> None:
    module, inputs = model.build(DATA, 3), torch.rand(4, 1, 8, 8)
    state = torch.random.get_rng_state()
    module.train()(inputs)
    assert torch.equal(state, torch.random.get_rng_state())

    plain = module.eval()(inputs)
    Dropout(p=0.5).on_model(module)
    assert torch.equal(plain, module(inputs))
    module.train()
    assert not torch.equal(module(inputs), module(inputs))


class _NoPlace(Model):
    name = "no_place"
    has_dropout = False

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        return nn.Linear(1, outputs)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    site = DropoutSite()
    Dropout(p=p).on_model(nn.Sequential(site))
    outputs = site(torch.ones(200_000))
    kept = outputs != 0
    assert float(kept.float().mean()) == pytest.approx(1 - p, abs=0.005)
    torch.testing.assert_close(outputs[kept], torch.full((int(kept.sum()),), 1 / (1 - p)))


def test_dropout_without_a_place_for_it_is_refused() -> None:
    assert "no_place has no place for dropout" in (Dropout().unsupported_reason(DATA, _NoPlace()) or "")


@pytest.mark.parametrize("optimizer", [Sgd(lr=0.1, momentum=0.9), Adam(), AdamW(weight_decay=0), RmsProp(momentum=0.5)])
def test_weight_decay_is_the_l2_penalty_on_weights_under_every_optimizer(optimizer: Optimizer) -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(5, 3).double(), nn.Linear(5, 3).double()
    second.load_state_dict(first.state_dict())
    inputs, value = torch.rand(7, 5, dtype=torch.float64), 0.3
    decay = WeightDecay(value=value)
    one = optimizer.build([{"params": list(first.parameters())}])
    other = optimizer.build([{"params": list(second.parameters())}])
    for _ in range(4):
        one.zero_grad()
        first(inputs).square().mean().backward()
        decay.on_gradients(list(first.parameters()))
        one.step()
        other.zero_grad()
        (second(inputs).square().mean() + value / 2 * second.weight.square().sum()).backward()
        other.step()
    torch.testing.assert_close(first.weight, second.weight)
    torch.testing.assert_close(first.bias, second.bias)


def test_weight_decay_leaves_parameters_without_a_gradient_alone() -> None:
    layer = nn.Linear(2, 2)
    WeightDecay().on_gradients(list(layer.parameters()))
    assert layer.weight.grad is None


def test_label_smoothing_is_torch_s_for_labels_and_mixes_given_probabilities() -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 2, 1, 1, 0, 2])
    facts = TrainingFacts((2, 2, 2))
    smoothed = LabelSmoothing(value=0.2).on_loss(lambda outputs, targets: F.cross_entropy(outputs, targets), facts)
    torch.testing.assert_close(smoothed(logits, labels), F.cross_entropy(logits, labels, label_smoothing=0.2))
    torch.testing.assert_close(smoothed(logits, F.one_hot(labels, 3).float()), smoothed(logits, labels))


@pytest.mark.parametrize("name", ["label_smoothing", "mixup", "cutmix", "class_weights", "focal_loss"])
def test_what_works_on_classes_says_so_of_numbers(name: str) -> None:
    regularizer = registry.get("regularizer", name)()
    assert isinstance(regularizer, Regularizer)
    assert regularizer.unsupported_reason(NUMBERS, Mlp()) == f"{name} needs classes, but ages has the task regression"
    assert regularizer.unsupported_reason(DATA, Mlp()) is None
    assert regularizer.unsupported_reason(CLIPS, Mlp()) is None


@pytest.mark.parametrize(
    "name", ["erasing", "augment", "l1", "weight_decay", "decoupled_weight_decay", "early_stopping"]
)
def test_the_others_work_on_numbers_and_clips_too(name: str) -> None:
    regularizer = registry.get("regularizer", name)()
    assert isinstance(regularizer, Regularizer)
    assert all(regularizer.unsupported_reason(data, Mlp()) is None for data in (NUMBERS, DATA, CLIPS))


@pytest.mark.parametrize(
    ("losses", "min_delta", "stops_after"),
    [
        ([1.0, 0.9, 0.8, 0.7], 0.0, None),
        ([1.0, 0.9, 0.9, 0.9], 0.0, 4),
        ([1.0, 1.1, 0.9, 1.0, 1.0], 0.0, 5),
        ([1.0, 0.99, 0.98, 0.97], 0.05, 3),
        ([1.0, 0.97, 0.94, 0.91], 0.05, None),
        ([float("nan"), float("nan")], 0.0, 2),
    ],
)
def test_early_stopping_waits_for_its_patience(losses: list[float], min_delta: float, stops_after: int | None) -> None:
    rule = EarlyStopping(patience=2, min_delta=min_delta)
    history: list[EpochRow] = []
    for epoch, loss in enumerate(losses, start=1):
        history.append(epoch_row(epoch, val_loss=loss))
        if rule.should_stop(history):
            assert epoch == stops_after
            return
    assert stops_after is None
