"""Whole channels taken out: what is left is the part of the net that does not need them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import NOWHERE, train
from trainables.deployments._channels import without_channels
from trainables.deployments.prune import Prune
from trainables.errors import CannotDeploy
from trainables.interfaces import Model
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet

NETS: dict[str, Model] = {
    "mlp": Mlp(hidden=(24, 12)),
    "cnn": Cnn(channels=(8, 12), hidden=(16,), batch_norm=True),
    "average": Cnn(channels=(6,), hidden=(), pool="avg"),
}


@pytest.mark.parametrize("name", NETS)
def test_channels_whose_outputs_are_nothing_can_go_and_nothing_changes(name: str) -> None:
    info = FewDigits().info(NOWHERE)
    torch.manual_seed(0)
    module = NETS[name].build(info, 8).eval()
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    with torch.no_grad():
        for layer in layers[:-1]:  # every second channel gives 0 whatever comes in
            layer.weight[::2] = 0
            if layer.bias is not None:
                layer.bias[::2] = 0
        for norm in norms:
            norm.running_mean[::2], norm.bias[::2] = 0, 0
    inputs = torch.randn(5, *info.shape)
    smaller = without_channels(module, 0.5)
    assert torch.allclose(smaller(inputs), module(inputs), atol=1e-6)
    before, after = (sum(p.numel() for p in net.parameters()) for net in (module, smaller))
    assert after < 0.6 * before


def test_the_channels_of_least_norm_go(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, 1], [0.1, 0], [-5, 0], [0, 0.2]]))
    smaller = without_channels(module, 0.5)
    assert torch.equal(smaller[0].weight, module[0].weight[[0, 2]])
    assert torch.equal(smaller[2].weight, module[2].weight[:, [0, 2]])
    assert (smaller[0].out_features, smaller[2].in_features) == (2, 2)
    assert module[0].out_features == 4, "the net itself stays"


def test_one_channel_is_left_and_a_net_of_one_is_a_reason() -> None:
    two = without_channels(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), 0.99)
    assert two[0].out_features == 1
    with pytest.raises(CannotDeploy, match="more than one channel"):
        without_channels(nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1)), 0.5)


def test_a_net_that_is_no_plain_chain_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(CannotDeploy, match="plain chains of layers"):
        train(tmp_path, Resnet(), epochs=1).variant(Prune(structure="channels"))


def test_a_thinner_net_is_trained_on_and_counted(tmp_path: Path) -> None:
    net = train(tmp_path, NETS["cnn"])
    deployment = Prune(structure="channels", amount=0.5, epochs=1)
    result = net.variant(deployment)
    assert result.epochs == 1 and result.variant is not None
    assert result.variant.size_ratio < 0.6 and result.costs.flops < 0.6 * net.result.costs.flops
    assert result.costs.parameters < 0.6 * net.result.costs.parameters
    assert replace(net.spec, deployment=deployment).trial_id != replace(net.spec, deployment=Prune()).trial_id
