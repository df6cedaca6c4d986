"""Each optimizer is torch's own: the same parameters with the same defaults, and the same weights after eight steps."""

import copy
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.interfaces import Optimizer
from trainables.models.mlp import Mlp
from trainables.optimizers._torch import TorchOptimizer
from trainables.protocol import Protocol
from trainables.registry import registry

INFO = DataInfo("noise", "image", (1, 6, 6), "classification", ("a", "b", "c"))
IMPLEMENTATION = {"params", "foreach", "fused", "capturable", "differentiable", "maximize"}
"""Arguments of torch's that are not hyper-parameters."""
LEFT_OUT = {"adam": {"decoupled_weight_decay"}}  # adam with it is adamw
ADDED = {"muon": {"adamw_lr", "adamw_betas", "adamw_eps", "adamw_weight_decay"}}
OTHER_DEFAULTS = {"sgd": {"lr": 0.1}, "rmsprop": {"lr": 1e-3}, "lbfgs": {"line_search_fn": "strong_wolfe"}}
"""Where a default is not torch's."""

ADAM: list[dict[str, Any]] = [{"lr": 0.1}, {"betas": (0.5, 0.9)}, {"eps": 0.1}, {"weight_decay": 0.3}]
OTHERS: dict[str, list[dict[str, Any]]] = {
    "adadelta": [{"lr": 0.5}, {"rho": 0.5}, {"eps": 1e-2}, {"weight_decay": 0.3}],
    "adafactor": [
        {"lr": 0.1},
        {"beta2_decay": -0.2},
        {"eps": (0.5, 1e-3)},
        {"eps": (None, 2.0)},
        {"d": 1.5},
        {"weight_decay": 0.3},
    ],
    "adagrad": [
        {"lr": 0.1},
        {"lr_decay": 0.5},
        {"weight_decay": 0.3},
        {"initial_accumulator_value": 0.2},
        {"eps": 0.1},
    ],
    "adam": [*ADAM, {"amsgrad": True, "betas": (0.9, 0.1)}],
    "adamax": ADAM,
    "adamw": [*ADAM, {"amsgrad": True, "betas": (0.9, 0.1)}],
    "asgd": [{"lr": 0.1}, {"lambd": 0.5}, {"alpha": 3.0, "lambd": 0.5}, {"t0": 2.0}, {"weight_decay": 0.3}],
    "lbfgs": [
        {"lr": 0.1},
        {"max_iter": 3},
        {"max_eval": 2},
        {"tolerance_grad": 10.0},
        {"tolerance_change": 10.0},
        {"history_size": 1},
        {"line_search_fn": None, "lr": 0.05},
    ],
    "muon": [
        {"lr": 0.1},
        {"weight_decay": 0.5},
        {"momentum": 0.5},
        {"nesterov": False},
        {"ns_coefficients": (2.0, -1.5, 0.5)},
        {"eps": 1.0},
        {"ns_steps": 2},
        {"adjust_lr_fn": "match_rms_adamw"},
        {"adjust_lr_fn": "spectral_unclamped"},
        {"adamw_lr": 0.1},
        {"adamw_betas": (0.5, 0.9)},
        {"adamw_eps": 0.1},
        {"adamw_weight_decay": 0.3},
    ],
    "nadam": [*ADAM, {"momentum_decay": 0.5}, {"decoupled_weight_decay": True, "weight_decay": 0.3}],
    "radam": [*ADAM, {"decoupled_weight_decay": True, "weight_decay": 0.3}],
    "rmsprop": [
        {"lr": 0.1},
        {"alpha": 0.5},
        {"momentum": 0.9},
        {"eps": 0.1},
        {"weight_decay": 0.3},
        {"centered": True},
    ],
    "rprop": [{"lr": 0.1}, {"etas": (0.2, 2.0)}, {"step_sizes": (1e-6, 0.011)}],
    "sgd": [
        {"lr": 0.3},
        {"momentum": 0.9},
        {"nesterov": True, "momentum": 0.9},
        {"dampening": 0.5, "momentum": 0.9},
        {"weight_decay": 0.3},
    ],
    "sparse_adam": [{"lr": 0.1}, {"betas": (0.5, 0.9)}, {"eps": 0.1}],
}
"""For each optimizer other values of each of its parameters."""
NOT_IN_THE_WEIGHTS = [("asgd", {"t0": 2.0})]
"""torch keeps the average of the weights apart."""
FIRST_STEP_APART = ("sparse_adam", "lbfgs", "rprop")
"""Sparse gradients; a first step of length 1 over the gradients; a first step of the least step size."""
LEVELS = [(name, values) for name in OTHERS for values in [{}, *OTHERS[name]]]


def component(name: str) -> type[TorchOptimizer]:
    found = registry.get("optimizer", name)
    assert issubclass(found, TorchOptimizer)
    return found


def torch_s_own() -> dict[str, type[torch.optim.Optimizer]]:
    """Every optimizer that torch has."""
    named = {name: getattr(torch.optim, name) for name in torch.optim.__all__ if name != "Optimizer"}
    return {name: a for name, a in named.items() if isinstance(a, type) and issubclass(a, torch.optim.Optimizer)}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 5), nn.Tanh(), nn.Linear(5, 3))


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(8):  # radam is rectified from its sixth step on
        yield torch.randn(16, 2, 6, 6, generator=generator), torch.randint(3, (16,), generator=generator)


def trained(module: nn.Sequential, *optimizers: torch.optim.Optimizer, steps: int = 8) -> list[Tensor]:
    """The weights after a step on each of the first `steps` batches."""
    dtype = next(module.parameters()).dtype
    for single, targets in islice(batches(), steps):
        inputs = single.to(dtype)

        def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(inputs), targets)
            loss.backward()
            return loss

        if isinstance(optimizers[0], torch.optim.LBFGS):
            optimizers[0].step(closure)
        else:
            closure()
            for optimizer in optimizers:
                optimizer.step()
    return [parameter.detach().clone() for parameter in module.parameters()]


def by_hand(name: str, values: dict[str, Any], module: nn.Module) -> list[torch.optim.Optimizer]:
    """As torch's documentation would have it."""
    given = {**OTHER_DEFAULTS.get(name, {}), **values}
    parameters = list(module.parameters())
    if name != "muon":
        return [component(name).torch_class()(parameters, **given)]
    adamw = {key.removeprefix("adamw_"): value for key, value in given.items() if key.startswith("adamw_")}
    own = {key: value for key, value in given.items() if not key.startswith("adamw_")}
    matrices = [parameter for parameter in parameters if parameter.ndim == 2]
    others = [parameter for parameter in parameters if parameter.ndim != 2]
    return [torch.optim.Muon(matrices, **own), torch.optim.AdamW(others, **adamw)]


def test_every_optimizer_of_torch_is_here_by_its_name() -> None:
    here = {name: registry.get("optimizer", name) for name in registry.names("optimizer")}
    assert {kind.torch_class() for kind in here.values() if issubclass(kind, TorchOptimizer)} == set(
        torch_s_own().values()
    )
    for name, kind in here.items():
        if issubclass(kind, TorchOptimizer):
            assert kind.torch_class().__name__.lower() == name.replace("_", "")
            assert name in OTHERS


@pytest.mark.parametrize("name", OTHERS)
def test_parameters_and_their_defaults_are_torch_s(name: str) -> None:
    signature = inspect.signature(component(name).torch_class()).parameters
    hyper = {key: parameter.default for key, parameter in signature.items() if key not in IMPLEMENTATION}
    expected = {key: value for key, value in hyper.items() if key not in LEFT_OUT.get(name, set())}
    expected |= OTHER_DEFAULTS.get(name, {})
    options = component(name)().options()
    assert options == expected
    assert set(component(name).model_fields) == set(expected) | ADDED.get(name, set())


@pytest.mark.parametrize("name", OTHERS)
def test_every_parameter_is_tried(name: str) -> None:
    assert {key for values in OTHERS[name] for key in values} == set(component(name).model_fields)


@pytest.mark.parametrize(("name", "values"), [level for level in LEVELS if level[0] != "sparse_adam"], ids=str)
def test_weights_after_eight_steps_are_torch_s(name: str, values: dict[str, Any]) -> None:
    ours, theirs = network(), network()
    groups = [{"params": list(ours.parameters())}]
    found = trained(ours, component(name)(**values).build(groups))
    expected = trained(theirs, *by_hand(name, values, theirs))
    # one kernel over all weights may round another way than one for each
    for mine, torch_s in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, torch_s, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "values"), [level for level in LEVELS if level[1] and level[0] != "sparse_adam"], ids=str
)
def test_every_parameter_acts(name: str, values: dict[str, Any]) -> None:
    if (name, values) in NOT_IN_THE_WEIGHTS:
        return
    module = network()
    found = trained(module, component(name)(**values).build([{"params": list(module.parameters())}]))
    defaults = network()
    others = {key: value for key, value in values.items() if key != next(iter(values))}
    expected = trained(defaults, component(name)(**others).build([{"params": list(defaults.parameters())}]))
    assert not all(torch.equal(mine, default) for mine, default in zip(found, expected, strict=True))


def test_sparse_adam_learns_rows_as_torch_s_does() -> None:
    def table(build: Callable[[nn.Module], torch.optim.Optimizer]) -> Tensor:
        torch.manual_seed(0)
        embedding = nn.Embedding(4, 2, sparse=True)
        optimizer = build(embedding)
        for row in range(3):
            optimizer.zero_grad()
            embedding(torch.tensor([row])).square().sum().backward()
            optimizer.step()
        return embedding.weight.detach()

    ours = component("sparse_adam")(lr=0.1)
    found = table(lambda module: ours.build([{"params": list(module.parameters())}]))
    expected = table(lambda module: torch.optim.SparseAdam(module.parameters(), lr=0.1))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "sparse_adam"])
def test_the_memory_format_of_images_changes_nothing(name: str) -> None:
    # Convolutions round otherwise in the other format, and how depends on the processor; L-BFGS makes of a difference of
    # 1e-12 in the weights 1e-8 in 20 iterations, and 1 in 80: in double precision, four iterations of it.
    steps, options = (1, {"max_iter": 4}) if name == "lbfgs" else (8, {})
    plain, last = network().double(), network().double().to(memory_format=torch.channels_last)
    expected = trained(plain, component(name)(**options).build([{"params": list(plain.parameters())}]), steps=steps)
    found = trained(last, component(name)(**options).build([{"params": list(last.parameters())}]), steps=steps)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in OTHERS if name not in FIRST_STEP_APART])
def test_a_learning_rate_that_is_set_on_the_groups_acts_on_every_weight(name: str) -> None:
    module = network()
    before = copy.deepcopy(list(module.parameters()))
    optimizer = component(name)().build([{"params": list(module.parameters())}])
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    after = trained(module, optimizer)
    assert all(torch.equal(mine, old) for mine, old in zip(after, before, strict=True))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *((name, {"lr": 0}) for name in OTHERS),
        *((name, {"lr": -1.0}) for name in OTHERS),
        *((name, {"lr": math.nan}) for name in OTHERS),
        *((name, {"lr": math.inf}) for name in OTHERS),
        *((name, {"lr": "0.1"}) for name in OTHERS),
        *((name, {"learning_rate": 0.1}) for name in OTHERS),
        *((name, {key: [0.9, 1.0]}) for name in OTHERS for key in component(name).model_fields if "betas" in key),
        *((name, {key: [-0.1, 0.9]}) for name in OTHERS for key in component(name).model_fields if "betas" in key),
        *((name, {key: [0.9]}) for name in OTHERS for key in component(name).model_fields if "betas" in key),
        *((name, {key: -0.1}) for name in OTHERS for key in component(name).model_fields if "weight_decay" in key),
        *((name, {"eps": 0}) for name in OTHERS if "eps" in component(name).model_fields),
        ("adadelta", {"rho": 1.0}),
        ("adafactor", {"beta2_decay": 0.1}),
        ("adafactor", {"d": 0.5}),
        ("adafactor", {"eps": [1e-3, None]}),
        ("adagrad", {"lr_decay": -1.0}),
        ("asgd", {"lambd": -1.0}),
        ("lbfgs", {"max_iter": 0}),
        ("lbfgs", {"history_size": 0}),
        ("lbfgs", {"line_search_fn": "wolfe"}),
        ("muon", {"ns_steps": 100}),
        ("muon", {"ns_coefficients": [1.0, 2.0]}),
        ("muon", {"adjust_lr_fn": "no"}),
        ("rprop", {"etas": [1.5, 1.2]}),
        ("rprop", {"etas": [0.5, 0.9]}),
        ("rprop", {"step_sizes": [1.0, 0.1]}),
        ("sgd", {"nesterov": True}),
        ("sgd", {"nesterov": True, "momentum": 0.9, "dampening": 0.5}),
        ("sgd", {"momentum": 1.0}),
    ],
    ids=str,
)
def test_impossible_values_are_refused(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        component(name).from_parameters(parameters)


def test_muon_is_refused_a_model_without_matrices() -> None:
    filters = nn.Conv2d(1, 2, 3)
    with pytest.raises(ValueError, match="muon updates matrices"):
        component("muon")().build([{"params": list(filters.parameters())}])


@pytest.mark.parametrize(
    ("model", "parameters", "trains"),
    [
        ("mlp", {}, True),
        ("torchvision:squeezenet1_1", {}, False),
        ("torchvision:regnet_y_400mf", {}, True),
        ("pretrained:squeezenet1_1", {"weights": "none", "tune": "all"}, False),
        ("pretrained:mobilenet_v3_small", {"weights": "none", "tune": "frozen"}, True),
        ("cnn", {"hidden": [2**31 - 1] * 5}, True),  # its trial tells why that cannot be built
    ],
)
def test_muon_says_where_no_matrix_learns(model: str, parameters: dict[str, Any], trains: bool) -> None:
    data = replace(INFO, shape=(1, 32, 32))
    built = registry.get("model", model).from_parameters(parameters)
    reason = component("muon")().unsupported_reason(data, built, [])  # type: ignore[arg-type]
    assert reason == (None if trains else f"muon updates matrices, but none of {model} learns; use adamw")


def test_lbfgs_says_that_it_cannot_be_clipped() -> None:
    protocols = [Protocol.from_parameters({"clip": clip}) for clip in (None, 1.0)]
    reasons = {
        name: [component(name)().unsupported_protocol_reason(each) for each in protocols] for name in ("sgd", "lbfgs")
    }
    assert reasons["sgd"] == [None, None]
    assert reasons["lbfgs"][0] is None and "leave clip out" in str(reasons["lbfgs"][1])


def test_muon_alone_where_all_parameters_are_matrices() -> None:
    layer = nn.Linear(3, 2, bias=False)
    optimizer = component("muon")().build([{"params": [layer.weight]}])
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


def test_options_that_a_regularizer_sets_for_a_group_hold() -> None:
    """The weight decay of one group reaches Muon and AdamW alike, and leaves the other group as it is configured."""
    module = network()
    filters, bias, *rest = module.parameters()
    groups = [{"params": [filters, bias], "weight_decay": 0.0}, {"params": rest}]
    optimizer = component("muon")(weight_decay=0.5, adamw_weight_decay=0.25).build(groups)
    decays = {id(part): group["weight_decay"] for group in optimizer.param_groups for part in group["params"]}
    assert [decays[id(parameter)] for parameter in module.parameters()] == [0.0, 0.0, 0.5, 0.25, 0.5, 0.25]


def test_an_optimizer_says_in_words_what_it_cannot_train() -> None:
    regularizers = [registry.get("regularizer", "weight_decay")()]  # which lbfgs cannot see in the loss
    reasons = {}
    for name in registry.names("optimizer"):
        optimizer = registry.get("optimizer", name)()
        assert isinstance(optimizer, Optimizer)
        reasons[name] = optimizer.unsupported_reason(INFO, Mlp(), regularizers)  # type: ignore[arg-type]
    assert {name for name, reason in reasons.items() if reason} == {"sparse_adam", "lbfgs"}
    assert registry.get("optimizer", "lbfgs")().unsupported_reason(INFO, Mlp(), []) is None  # type: ignore[attr-defined]
    assert "sparse gradients" in str(reasons["sparse_adam"])
