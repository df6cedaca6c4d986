"""The plain twin of `resnet`, and the places of stochastic depth."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.models._layers import StochasticDepthSite
from trainables.models.resnet import Resnet

DATA = DataInfo("images", "image", (3, 12, 12), "classification", tuple("abcd"))


def branch(module: nn.Module, block: int, inputs: Tensor) -> Tensor:
    """Two convolutions of a block in evaluation, from its weights by name."""
    state = module.state_dict()
    for layer, stride in (("first", 2 if block in (1, 2) else 1), ("second", 1)):
        name = f"{block + 3}.{layer}"  # a convolution, its norm and its ReLU come first
        inputs = F.conv2d(inputs, state[f"{name}.weight"], stride=stride, padding=1)
        norm = [state[f"{name}_norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        inputs = F.relu(F.batch_norm(inputs, *norm)) if layer == "first" else F.batch_norm(inputs, *norm)
    return inputs


@pytest.mark.parametrize("residual", [True, False])
def test_a_plain_network_has_the_same_layers_without_shortcuts(residual: bool) -> None:
    torch.manual_seed(0)
    module = Resnet(depth=8, width=4, residual=residual).build(DATA, 4).eval()
    maps = module[:3](inputs := torch.rand(2, 3, 12, 12))
    for block in range(3):
        made = branch(module, block, maps)
        shortcut = maps if block == 0 else F.pad(maps[:, :, ::2, ::2], (0, 0, 0, 0, 0, maps.shape[1]))
        maps = F.relu(made + shortcut if residual else made)
    torch.testing.assert_close(module(inputs), maps.mean(dim=(2, 3)) @ module[-1].weight.T + module[-1].bias)


def test_both_have_the_same_weights() -> None:
    twins = []
    for residual in (True, False):
        torch.manual_seed(1)
        twins.append(Resnet(depth=14, residual=residual).build(DATA, 4).state_dict())
    assert list(twins[0]) == list(twins[1])
    assert all(torch.equal(twins[0][name], value) for name, value in twins[1].items())


def test_the_plain_twin_is_another_model_and_the_default_is_the_old_one() -> None:
    assert '"residual"' not in Resnet().canonical()
    assert Resnet(residual=False).digest() != Resnet().digest()


def test_stochastic_depth_stands_in_every_block_and_grows_with_depth() -> None:
    model = Resnet(depth=14)
    sites = [part for part in model.build(DATA, 4).modules() if isinstance(part, StochasticDepthSite)]
    assert [site.depth for site in sites] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert model.has_stochastic_depth
    plain = Resnet(depth=14, residual=False)
    assert not plain.has_stochastic_depth
    assert not any(isinstance(part, StochasticDepthSite) for part in plain.build(DATA, 4).modules())


def test_a_site_drops_whole_examples_and_keeps_the_mean() -> None:
    site = StochasticDepthSite(1.0)
    branch = torch.ones(20_000, 2, 3)
    assert site(branch) is branch  # switched off
    site.p = 0.3
    torch.manual_seed(0)
    values = site(branch).flatten(1)
    assert torch.all(values == values[:, :1])
    assert {round(value, 4) for value in values[:, 0].unique().tolist()} == {0.0, round(1 / 0.7, 4)}
    assert (values[:, 0] == 0).float().mean() == pytest.approx(0.3, abs=0.01)
    assert site.eval()(branch) is branch


def test_a_dropped_branch_leaves_the_shortcut() -> None:
    module = Resnet(depth=8, width=4).build(DATA, 4)
    block = module[3].train()
    block.site.p = 1 - 1e-9
    inputs = torch.rand(5, 4, 12, 12)
    torch.testing.assert_close(block(inputs), inputs)
