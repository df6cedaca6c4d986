"""Reach and activations against loops and sums by hand; that neither leaves a trace; steps that explode; stuck nets."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainables.context import SingleContext
from trainables.dataset import DataInfo, DataLocation
from trainables.models._recurrent import SequenceModel
from trainables.models.cnn_rnn import CnnRnn
from trainables.models.gru import Gru
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.rnn import Rnn
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol, Splits
from trainables.records import TrialResult
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask
from trainables.tasks.classification import Classification
from trainables.tasks.regression import Regression
from trainables.training.fit import exploding
from trainables.training.prepare import Prepared, prepared
from trainables.training.probes import activation_bytes, gradient_reach
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
PROTOCOL = Protocol()


def clips(tmp_path: Path, length: int) -> Prepared:
    dataset = registry.get("dataset", "moving_digits").from_parameters({"examples": 200, "length": length})
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    return prepared(dataset, place, dataset.fingerprint(place), Splits(), 0, CPU)


def fresh(model: SequenceModel, data: Prepared) -> nn.Module:
    torch.manual_seed(0)
    return model.build(data.info, len(data.info.classes))


def test_gradients_of_a_plain_rnn_reach_the_less_far_the_longer_the_sequence(tmp_path: Path) -> None:
    reached = {}
    for length in (7, 28):
        data, model = clips(tmp_path, length), Rnn(hidden=48)
        reached[length] = gradient_reach(model, fresh(model, data), Classification(), data, PROTOCOL, CPU)
    assert reached[7] is not None and reached[28] is not None
    assert 1e-3 < reached[7] < 0.1
    assert 0 < reached[28] < 1e-8


def test_reach_is_the_ratio_of_the_gradients_that_one_would_take_by_hand(tmp_path: Path) -> None:
    data, model = clips(tmp_path, 7), Lstm(hidden=8)
    module = fresh(model, data)
    indices = data.split.train[:32]
    ((inputs, labels),) = data.batches.evaluation(indices, 32, lambda count: slice(0, count))
    norms = []
    for clip, label in zip(inputs, labels, strict=True):
        frames = [frame[None].clone().requires_grad_() for frame in clip]
        F.cross_entropy(module(torch.stack(frames, dim=1)), label[None]).backward()
        norms.append([float(frames[place].grad.norm()) for place in (0, -1)])  # type: ignore[union-attr]
    first, last = torch.tensor(norms, dtype=torch.float64).mean(dim=0).tolist()
    module.zero_grad()
    state, draws = {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()
    reached = gradient_reach(model, module, Classification(), data, PROTOCOL, CPU)
    assert reached == pytest.approx(first / last, rel=1e-4)
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), draws)
    assert module.training


@pytest.mark.parametrize(
    ("read", "first", "last"),
    [
        ("rows", [0, 1, 2, 3, 4, 5], [18, 19, 20, 21, 22, 23]),
        ("columns", [0, 6, 12, 18], [5, 11, 17, 23]),
        ("patches", [0, 1, 6, 7], [16, 17, 22, 23]),
    ],
)
def test_the_first_and_the_last_step_are_those_that_the_net_reads(read: str, first: list[int], last: list[int]) -> None:
    image = DataInfo("images", "image", (1, 4, 6), "classification", tuple("ab"))
    numbers = torch.arange(24.0).reshape(1, 1, 4, 6)
    model = Gru.from_parameters({"read": read, "patch": 2})
    assert isinstance(model, Gru)
    assert [numbers[end].flatten().tolist() for end in model.sequence_ends(image)] == [first, last]
    steps = model.build(image, 2)._steps(numbers)  # type: ignore[operator]
    assert [sorted(steps[0, place].tolist()) for place in (0, -1)] == [first, last]


def test_frames_are_steps_and_a_net_that_reads_none_has_no_reach(tmp_path: Path) -> None:
    data = clips(tmp_path, 7)
    clip = torch.arange(7.0).reshape(1, 7, 1, 1, 1)
    assert [float(clip[end]) for end in CnnRnn().sequence_ends(data.info)] == [0, 6]
    assert gradient_reach(Mlp(), nn.Identity(), Classification(), data, PROTOCOL, CPU) is None


def test_activations_are_what_each_layer_keeps_and_the_model_is_not_among_them() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    # the batch for the first layer's weights; ReLU's output for its own backward pass and for the second layer: once
    assert activation_bytes(module, (1, 8, 8), 50, PROTOCOL, CPU) == 4 * 50 * (64 + 16)
    assert activation_bytes(module, (1, 8, 8), 100, PROTOCOL, CPU) == 4 * 100 * (64 + 16)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    assert activation_bytes(module, (1, 8, 8), 50, PROTOCOL, CPU) == 0


def test_to_count_activations_leaves_no_trace() -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    state, draws = {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()
    assert activation_bytes(module, (1, 8, 8), 10, PROTOCOL, CPU) > 0
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), draws)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_steps_explode_that_are_far_beyond_the_median_or_not_finite() -> None:
    assert exploding(torch.tensor([1.0, 2.0, 3.0, 20.0, 20.1, 31.0])) == pytest.approx(1 / 6)  # 10 times 3 is the bound
    assert exploding(torch.tensor([1.0, 1.0, float("nan"), float("inf")])) == 0.5
    assert exploding(torch.tensor([float("nan")])) == 1
    assert exploding(torch.empty(0)) is None


def test_a_constant_answer_has_the_entropy_of_the_classes_or_the_variance() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    shares = torch.tensor([0.75, 1e-30, 0.25], dtype=torch.float64)
    found = Classification().measure(shares.log().repeat(4, 1), labels).loss
    assert Classification().constant_loss(labels) == pytest.approx(found, rel=1e-12)
    numbers = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    mean = numbers.mean(dim=0).repeat(2, 1)
    assert Regression().constant_loss(numbers) == Regression().measure(mean, numbers).mse == 0.5


def trial(tmp_path: Path, lr: float) -> TrialResult:
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    digits = registry.get("dataset", "digits").from_parameters({})
    protocol = Protocol.from_parameters({"epochs": 1})
    spec = TrialSpec(digits, Rnn(hidden=16), Sgd(lr=lr), (), protocol, 0, digits.fingerprint(place))
    return run_trial(TrialTask(spec.trial_id, 1, spec, place, None), SingleContext(CPU, lambda row: None))


def test_a_trial_that_has_learnt_nothing_is_stuck(tmp_path: Path) -> None:
    idle, learnt = trial(tmp_path, 1e-6), trial(tmp_path, 0.1)
    assert (idle.stuck, learnt.stuck) == (True, False)
    assert idle.status == learnt.status == "completed"
    assert idle.gradient_reach_first == learnt.gradient_reach_first is not None  # before training they are the same net
    assert idle.gradient_reach_last == pytest.approx(idle.gradient_reach_first, rel=1e-2)
    assert learnt.gradient_reach_last != pytest.approx(learnt.gradient_reach_first, rel=1e-2)
    assert learnt.costs.activation_bytes is not None and learnt.costs.activation_bytes > 0


@pytest.mark.parametrize("last", [nn.ReLU(), nn.Sigmoid(), nn.Softmax(dim=1), nn.BatchNorm1d(4)])
def test_nothing_is_left_of_a_net_once_its_activations_are_counted(last: nn.Module) -> None:
    """What a layer keeps of its own output must not hold the net."""
    module = nn.Sequential(nn.Linear(3, 4), last)
    gone = weakref.ref(module[0].weight)
    assert activation_bytes(module, (3,), 8, PROTOCOL, CPU) > 0
    del module
    gc.collect()
    assert gone() is None
