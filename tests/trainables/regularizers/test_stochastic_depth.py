"""Stochastic depth: how often which branch is left out, and what that leaves of the expected output."""

import pytest
import torch
from torch import nn

from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models._layers import StochasticDepthSite
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.models.vit import Vit
from trainables.regularizers.stochastic_depth import StochasticDepth

DATA = DataInfo("images", "image", (1, 4, 4), "classification", ("a", "b", "c"))
DATA_OF_16 = DataInfo("images", "image", (1, 16, 16), "classification", ("a", "b", "c"))
DEPTH = 5


class _Deep(Model):
    name = "deep"

    @property
    def has_stochastic_depth(self) -> bool:
        return True

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        return nn.ModuleList(StochasticDepthSite((block + 1) / DEPTH) for block in range(DEPTH))


def sites(p: float) -> list[nn.Module]:
    module = _Deep().build(DATA, 3)
    StochasticDepth(p=p).on_model(module)
    return list(module.children())


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_branches_are_left_out_for_whole_examples_by_the_linear_rule(p: float) -> None:
    """The paper's survival probability of block l of L: 1 - l / L (1 - p_L)."""
    torch.manual_seed(0)
    inputs = torch.ones(20_000, 2, 3)
    for block, site in enumerate(sites(p), start=1):
        outputs = site(inputs).flatten(1)
        assert torch.equal(outputs, outputs[:, :1].expand_as(outputs)), "an example keeps all of a branch or nothing"
        survival = 1 - block / DEPTH * p
        kept = outputs[:, 0] != 0
        assert float(kept.float().mean()) == pytest.approx(survival, abs=0.015)
        torch.testing.assert_close(outputs[kept, 0], torch.full((int(kept.sum()),), 1 / survival))


def test_evaluation_and_a_model_without_it_are_whole_and_draw_nothing() -> None:
    inputs = torch.rand(4, 3)
    state = torch.random.get_rng_state()
    assert all(torch.equal(site.eval()(inputs), inputs) for site in sites(0.5))
    assert all(torch.equal(site(inputs), inputs) for site in _Deep().build(DATA, 3).children())
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_model_without_residual_branches_is_refused_with_a_reason() -> None:
    assert "the model mlp has none" in (StochasticDepth().unsupported_reason(DATA, Mlp()) or "")
    assert StochasticDepth().unsupported_reason(DATA, _Deep()) is None


@pytest.mark.parametrize(
    ("model", "branches"), [(Resnet(depth=14, width=4), 6), (Vit(patch=2, depth=3, width=8, heads=2), 6)]
)
def test_models_with_residual_branches_have_the_linear_rule_from_the_first_to_the_last(
    model: Model, branches: int
) -> None:
    module, inputs = model.build(DATA_OF_16, 3), torch.rand(4, 1, 16, 16)
    plain = module.eval()(inputs)
    StochasticDepth(p=0.6).on_model(module)
    shares = [part.p for part in module.modules() if isinstance(part, StochasticDepthSite)]
    assert shares[-1] == pytest.approx(0.6)
    assert shares == pytest.approx([0.6 * (branch + 1) / branches for branch in range(branches)])
    assert torch.equal(module(inputs), plain)
    module.train()
    outputs = [module(inputs.repeat(8, 1, 1, 1)) for _ in range(2)]
    assert not torch.equal(*outputs)


def test_the_plain_twin_of_a_resnet_has_no_branches_to_leave_out() -> None:
    assert "the model resnet has none" in (StochasticDepth().unsupported_reason(DATA, Resnet(residual=False)) or "")
