"""Maps of a user's own pictures: what each is worth on that very picture, with the data set and without."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainables.measurements.measured import module_of, trained_on_digits
from tests.trainables.stages.nets import CPU, TrainedNet
from trainables.measurements._faithfulness import curves
from trainables.measurements._looked_at import RANDOM, asked_with, looked_at
from trainables.measurements.explain import METHODS, Explain
from trainables.models.mlp import Mlp
from trainables.spec import TrialTask
from trainables.stages.inputs import NetInputs
from trainables.stages.trial_net import TrialNet
from trainables.training.prepare import Prepared, prepared_for


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained_on_digits(tmp_path_factory.mktemp("mlp"), Mlp(hidden=(16,)))


@pytest.fixture(scope="module")
def data(mlp: TrainedNet) -> Prepared:
    return prepared_for(TrialTask(mlp.spec.trial_id, 1, mlp.spec, mlp.place, None), CPU)


def net_of(mlp: TrainedNet, data: Prepared, module: nn.Module | None = None, *, stored: bool = False) -> TrialNet:
    net = (module or module_of(mlp)).eval()
    return TrialNet(net, NetInputs.of_data(data), mlp.spec.dataset, mlp.spec.protocol, takes_stored=stored)


def some(data: Prepared, count: int) -> np.ndarray:
    return data.batches.examples(data.split.test[:count]).inputs


def test_each_map_has_the_deletion_of_its_own_picture_and_random_ones_beside_it(
    mlp: TrainedNet, data: Prepared
) -> None:
    net, stored = net_of(mlp, data), some(data, 3)
    looked = Explain().look_at(net, stored, data, seed=5)
    assert [[of.method for of in one.maps] for one in looked] == [list(METHODS)] * 3
    assert all(one.maps[0].reason == "the net has no feature maps of more than one pixel" for one in looked)
    asked = asked_with(net, "mean", data, 5)
    inputs = net.inputs.batches(stored).standardise(torch.from_numpy(stored))
    targets = torch.from_numpy(net.said_of(stored).indices)
    for place, one in enumerate(looked):
        for of in one.maps[1:]:
            assert of.values is not None and of.values.shape == (8, 8)
            own = slice(place, place + 1)
            found = curves(net.net, inputs[own], targets[own], torch.from_numpy(of.values)[None], asked.baseline)
            assert (of.deletion, of.insertion) == (float(found.deletion), float(found.insertion))
        assert 0 < one.random_deletion < 1 and 0 < one.random_insertion < 1
    integrated = [next(of for of in one.maps if of.method == "integrated_gradients") for one in looked]
    assert all(of.worth and of.deletion < one.random_deletion for of, one in zip(integrated, looked, strict=True))
    alone = Explain(methods=("occlusion",)).look_at(net, stored[2:], data, seed=5)
    assert alone[0].maps[0].deletion == pytest.approx(looked[2].maps[3].deletion, abs=1e-6)


class OneClass(nn.Module):
    """Whatever is shown, it answers the same."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1).sum(dim=1, keepdim=True) * 0 + torch.arange(10.0)


def test_a_map_of_a_net_that_looks_at_nothing_is_not_worth_looking_at(mlp: TrainedNet, data: Prepared) -> None:
    (one,) = Explain(methods=("saliency", "occlusion")).look_at(net_of(mlp, data, OneClass()), some(data, 1), data, 0)
    assert [of.worth for of in one.maps] == [False, False]
    assert [of.worse for of in one.maps] == [0, 0]
    assert one.maps[1].deletion == pytest.approx(one.random_deletion)


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_without_the_data_set_a_colour_is_the_baseline(mlp: TrainedNet, data: Prepared, baseline: str) -> None:
    net = net_of(mlp, data)
    asked = asked_with(net, baseline, None, 0)
    expected = 0.0 if baseline == "mean" else -net.inputs.mean[0] / net.inputs.std[0]
    assert asked.baseline.shape == (1, 8, 8)
    assert torch.allclose(asked.baseline, torch.full((1, 8, 8), expected), atol=1e-6)
    (one,) = looked_at(net, some(data, 1), asked, ("expected_gradients", "integrated_gradients"))
    assert one.maps[0].reason is not None and "the data set is not on this machine" in one.maps[0].reason
    assert one.maps[1].reason is None


class TakesBytes(nn.Module):
    """A net that takes pixels as they are stored, as an ONNX file does, and refuses anything else."""

    def __init__(self, net: nn.Module, data: Prepared) -> None:
        super().__init__()
        self._net, self._batches = net, data.batches

    def forward(self, pixels: Tensor) -> Tensor:
        assert pixels.dtype == torch.uint8
        outputs: Tensor = self._net(self._batches.standardise(pixels))
        return outputs


@pytest.mark.parametrize("at_hand", [True, False])
def test_a_net_that_takes_bytes_is_explained_by_what_needs_no_gradient(
    mlp: TrainedNet, data: Prepared, *, at_hand: bool
) -> None:
    net = net_of(mlp, data, TakesBytes(module_of(mlp), data), stored=True)
    (one,) = Explain().look_at(net, some(data, 1), data if at_hand else None, 0)
    reasons = {of.method: of.reason for of in one.maps}
    assert reasons.pop("occlusion") is None and all(reasons.values()), reasons
    (plain,) = Explain(methods=("occlusion",)).look_at(net_of(mlp, data), some(data, 1), data if at_hand else None, 0)
    other = next(of for of in one.maps if of.method == "occlusion")
    assert other.values is not None and plain.maps[0].values is not None
    # of a baseline that is rounded to whole grey levels
    assert np.corrcoef(other.values.ravel(), plain.maps[0].values.ravel())[0, 1] > 0.99
    assert RANDOM == 19 and plain.maps[0].worse is not None
