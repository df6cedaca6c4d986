"""Activations in 8 bits for torch: with scales from training examples, and from training on with the rounding."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import NOWHERE, TrainedNet, train
from trainables.deployments._torch_static_int8 import Rounding, quantised
from trainables.deployments.int8 import Int8
from trainables.errors import CannotDeploy
from trainables.interfaces import Model
from trainables.models._layers import DropoutSite
from trainables.models.cnn import Cnn
from trainables.models.densenet import Densenet
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.regularizers.dropout import Dropout

NETS: dict[str, Model] = {
    "mlp": Mlp(hidden=(64,)),
    "cnn": Cnn(channels=(8, 16), hidden=(64,), batch_norm=True),
    "resnet": Resnet(depth=8, width=4),
    "densenet": Densenet(depth=10, growth=4),
}
KINDS: dict[str, Int8] = {"static": Int8(kind="static", calibration=48), "qat": Int8(kind="qat", epochs=8)}


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedNet]:
    return {name: train(tmp_path_factory.mktemp(name), model) for name, model in NETS.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETS)
def test_whole_numbers_stand_in_place_of_every_weight(nets: dict[str, TrainedNet], name: str, kind: str) -> None:
    net, deployment = nets[name], KINDS[kind]
    result, rows = net.with_epochs(deployment)
    kept = load_file(
        net.weights.with_name(replace(net.spec, deployment=deployment).trial_id).with_suffix(".safetensors")
    )
    whole = sum(tensor.numel() for tensor in kept.values() if tensor.dtype is torch.int8)
    weights = sum(tensor.numel() for tensor in load_file(net.weights).values() if tensor.ndim in (2, 4))
    assert whole == weights
    assert result.variant is not None and result.variant.runtime == "torch"
    assert result.variant.max_abs_difference > 0
    assert result.test is not None and net.result.test is not None
    # of 16 pictures the accuracy hangs on a few near ties, which another processor turns; qat has trained on
    assert result.test.cross_entropy <= net.result.test.cross_entropy + 0.05
    assert [row.epoch for row in rows] == list(range(1, deployment.trains + 1))
    assert net.variant(deployment).test == result.test  # dropout is over


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_torch_cannot_follow_is_a_reason(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CannotDeploy, match="cannot follow the net's path to quantise it"):
        train(tmp_path, Lstm(), epochs=1).variant(KINDS[kind])


def test_static_calibration_is_of_training_examples_that_are_there(nets: dict[str, TrainedNet]) -> None:
    with pytest.raises(CannotDeploy, match="calibration asks for 128 training examples, and there are 72"):
        nets["mlp"].variant(Int8(kind="static"))


def test_scales_follow_what_is_learnt_from_alone() -> None:
    torch.manual_seed(0)
    net = Rounding(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(2, 4))

    def scales() -> dict[str, Any]:
        return {name: each.clone() for name, each in net.state_dict().items() if "scale" in name or "val" in name}

    net.train()
    net(torch.rand(16, 4))
    learnt = scales()
    assert learnt
    net.eval()
    net(100 * torch.rand(16, 4))  # only to choose by
    assert all(torch.equal(before, after) for before, after in zip(learnt.values(), scales().values(), strict=True))
    net.train()
    net(100 * torch.rand(16, 4))
    assert any(not torch.equal(before, after) for before, after in zip(learnt.values(), scales().values(), strict=True))


def test_what_was_trained_with_rounding_is_what_comes_out() -> None:
    torch.manual_seed(0)
    net = Rounding(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(2, 4))
    for _ in range(200):
        net.train()(torch.rand(64, 4))
    inputs = torch.rand(64, 4)
    with torch.inference_mode():
        rounded = net.eval()(inputs)
        module, _ = quantised(net.rounded)
        off = (module(inputs) - rounded).abs()
    step = float(rounded.max() - rounded.min()) / 127  # of an output: 7 bits, which every CPU's kernels bear
    assert round(float(off.max()) / step) <= 2


def test_dropout_is_of_training_alone() -> None:
    net = Cnn().build(FewDigits().info(NOWHERE), 8)
    for part in net.modules():
        if isinstance(part, DropoutSite):
            part.p = 0.5
    rounding, inputs = Rounding(net, torch.rand(2, 1, 8, 8)).eval(), torch.rand(4, 1, 8, 8)
    assert torch.equal(rounding(inputs), rounding(inputs))
    rounding.train()
    assert not torch.equal(rounding(inputs), rounding(inputs))


def test_a_parent_with_dropout_is_trained_on_with_it(tmp_path: Path) -> None:
    net = train(tmp_path, Cnn(), regularizers=(Dropout(p=0.5),), epochs=2)
    first, second = (net.variant(Int8(kind="qat")) for _ in range(2))
    assert first.test == second.test and first.variant is not None and first.variant.agreement is not None
