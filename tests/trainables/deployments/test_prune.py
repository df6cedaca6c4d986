"""Weights that are 0: how many, which, and that they stay so."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tests.trainables.stages.nets import TrainedNet, train
from trainables.deployments._masks import smallest
from trainables.deployments.prune import Prune
from trainables.models.cnn import Cnn


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return train(tmp_path_factory.mktemp("net"), Cnn(channels=(4, 8), hidden=(16,), batch_norm=True))


def test_the_smallest_of_the_whole_net_or_of_each_layer() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    with torch.no_grad():
        module[0].weight.copy_(torch.arange(1, 13).reshape(3, 4) * torch.tensor([1, -1, 1, -1]))
        module[1].weight.copy_(torch.arange(100, 106).reshape(2, 3))
    whole, each = smallest(module, 0.5, whole=True), smallest(module, 0.5, whole=False)
    assert whole.keys() == each.keys() == {"0.weight", "1.weight"}
    assert whole["0.weight"].flatten().tolist() == [True] * 9 + [False] * 3 and not whole["1.weight"].any()
    assert each["0.weight"].flatten().tolist() == [True] * 6 + [False] * 6
    assert each["1.weight"].flatten().tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("epochs", [0, 2])
def test_as_many_as_asked_for_are_zero_also_after_training_on(net: TrainedNet, epochs: int) -> None:
    result, rows = net.with_epochs(Prune(amount=0.75, epochs=epochs))
    kept = net.weights.parent / f"{_id(net, Prune(amount=0.75, epochs=epochs))}.safetensors"
    weights = {name: tensor for name, tensor in load_file(kept).items() if tensor.ndim > 1}
    total = sum(tensor.numel() for tensor in weights.values())
    assert sum(int((tensor == 0).sum()) for tensor in weights.values()) == round(0.75 * total)
    assert len(rows) == result.epochs == epochs and (result.best_epoch is None) is (epochs == 0)
    assert result.steps == epochs * 5  # 72 examples in batches of 16
    assert result.variant is not None
    assert result.variant.packed_ratio < 0.7 and result.variant.size_ratio == 1
    before = load_file(net.weights)
    same = all(torch.equal(tensor[tensor != 0], before[name][tensor != 0]) for name, tensor in weights.items())
    assert same is (epochs == 0)


def test_it_comes_out_the_same_again(net: TrainedNet) -> None:
    first, again = (net.variant(Prune(amount=0.5, epochs=1)) for _ in range(2))
    assert (first.val, first.test) == (again.val, again.test)


@pytest.mark.parametrize(
    "wrong", [{"amount": 0.0}, {"amount": 1.0}, {"amount": -0.5}, {"epochs": -1}, {"scope": "half"}]
)
def test_what_prunes_nothing_or_everything_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Prune.from_parameters(wrong)


def _id(net: TrainedNet, deployment: Prune) -> str:
    from dataclasses import replace

    return replace(net.spec, deployment=deployment).trial_id


def test_biases_and_normalisation_stay(net: TrainedNet) -> None:
    net.variant(Prune(amount=0.9, epochs=0))
    kept = load_file(Path(net.weights.parent, f"{_id(net, Prune(amount=0.9, epochs=0))}.safetensors"))
    before = load_file(net.weights)
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.items() if tensor.ndim < 2)
