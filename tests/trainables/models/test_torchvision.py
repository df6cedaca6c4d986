"""The classifiers of torchvision: complete, untrained, fitted to small images, or refused with a reason."""

import copy
import os
import pickle
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from tests import forks
from trainables.dataset import DataInfo
from trainables.errors import UnknownComponent
from trainables.interfaces import Model
from trainables.models._layers import DropoutSite, StochasticDepthSite
from trainables.registry import registry
from trainables.training.costs import count_flops, count_parameters
from trainables.training.meta import on_meta_device

IMAGES = DataInfo("images", "image", (3, 32, 32), "classification", tuple("abcdefghij"))
ONE_OF_EACH = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11"),
    *("vgg11_bn", "vit_b_16", "wide_resnet50_2"),
)
FIRST = ("alexnet", "maxvit_t", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "vgg11", "vit_b_16")
"""Of them, whose nets are made for small images by default."""
SMALL = ("mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1")


def sized(channels: int, height: int, width: int) -> DataInfo:
    return DataInfo("images", "image", (channels, height, width), "classification", tuple("abcdefghij"))


@cache
def model(name: str, stem: str = "adapt") -> Model:
    made = registry.get("model", f"torchvision:{name}").from_parameters({"stem": stem})
    assert isinstance(made, Model)
    return made


def on_meta(name: str, stem: str, data: DataInfo, outputs: int) -> nn.Module:
    """Shapes alone: no weights are made."""
    return on_meta_device(lambda: model(name, stem).build(data, outputs))


def test_every_classifier_of_torchvision_is_a_member() -> None:
    from torchvision import models

    [namespace] = [namespace for namespace in registry.namespaces("model") if namespace.prefix == "torchvision"]
    assert {"resnet18", "vit_b_16", "swin_v2_t"} < set(namespace.members()) == set(models.list_models(module=models))
    # one of each architecture stands for the others here
    assert {name[:3] for name in namespace.members()} == {name[:3] for name in ONE_OF_EACH}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_as_published_it_has_as_many_parameters_as_torchvision_documents(name: str) -> None:
    from torchvision import models

    published = models.get_model_weights(name).DEFAULT.meta["num_params"]
    if name == "inception_v3":
        published -= 3_326_696  # the auxiliary classifier: 768*128 + 256, 128*768*25 + 1536, 768*1000 + 1000
    data = sized(3, 224, 224)
    assert count_parameters(on_meta(name, "original", data, 1000)) == published


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_regularizers_find_their_places(name: str) -> None:
    module = on_meta(name, "original", sized(3, 224, 224), 10)
    sites = [part.depth for part in module.modules() if isinstance(part, StochasticDepthSite)]
    assert bool(sites) == model(name).has_stochastic_depth
    assert not sites or (sites == sorted(sites) and sites[-1] == 1)
    assert any(isinstance(part, DropoutSite) for part in module.modules())
    assert not any(isinstance(part, nn.Dropout) for part in module.modules())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *(pytest.param(name, sized(3, 32, 32), marks=pytest.mark.slow) for name in ONE_OF_EACH if name not in FIRST),
        *((name, sized(3, 32, 32)) for name in FIRST),
        *((name, sized(1, 28, 28)) for name in ("alexnet", "resnet18", "swin_t", "vgg11", "vit_b_16")),
    ],
    ids=lambda given: given if isinstance(given, str) else str(given.width),
)
def test_small_images_are_read_or_refused_with_a_reason(name: str, data: DataInfo) -> None:
    reason = model(name).unsupported_reason(data)
    if reason is not None:
        assert f"torchvision:{name} with stem adapt cannot read the images of images" in reason
        assert name in ("vgg11", "vgg11_bn", "maxvit_t")
        return
    module = on_meta(name, "adapt", data, 10).train()
    assert module(torch.empty(2, *data.shape, device="meta")).shape == (2, 10)
    first = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    assert first.in_channels == data.channels
    if not name.startswith(("vit", "swin", "convnext")):
        assert (first.kernel_size, first.stride) == ((3, 3), (1, 1))


def test_a_reason_says_what_size_would_do() -> None:
    reason = model("vgg11").unsupported_reason(sized(1, 28, 28))
    assert reason is not None and reason.endswith("; it reads images of 32x32 pixels")
    assert model("vit_h_14").unsupported_reason(IMAGES) is None
    assert (model("maxvit_t").unsupported_reason(IMAGES) or "").endswith("; it reads images of 112x112 pixels")
    reason = model("vit_b_16").unsupported_reason(sized(1, 30, 28))
    assert reason is not None and "square images with a side that is a multiple of 4" in reason
    assert "reads image inputs" in (model("resnet18").unsupported_reason(
        DataInfo("films", "clip", (4, 3, 32, 32), "classification", tuple("ab"))
    ) or "")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "stem", "side"),
    [
        ("alexnet", "original", 32),
        ("inception_v3", "original", 64),
        ("vgg11_bn", "adapt", 28),
        ("resnet18", "original", 8),
    ],
)
def test_what_is_said_without_weights_holds_with_them(name: str, stem: str, side: int) -> None:
    data = sized(1, side, side)
    module = model(name, stem).build(data, 3).train()
    if model(name, stem).unsupported_reason(data) is None:
        assert torch.isfinite(module(torch.rand(2, *data.shape))).all()
    else:
        with pytest.raises((RuntimeError, ValueError)):
            module(torch.rand(2, *data.shape))


@pytest.mark.parametrize("name", SMALL)
def test_weights_are_as_random_as_the_seed_says_and_can_be_kept(name: str) -> None:
    data = sized(1, 16, 16)
    modules = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        modules.append(model(name).build(data, 3).eval())
    inputs = torch.rand(2, *data.shape)
    assert torch.equal(modules[0](inputs), modules[1](inputs))
    assert not torch.equal(modules[0](inputs), modules[2](inputs))
    modules[2].load_state_dict({key: value.clone() for key, value in modules[0].state_dict().items()})
    assert torch.equal(modules[0](inputs), modules[2](inputs))
    assert torch.equal(copy.deepcopy(modules[0])(inputs), modules[2](inputs))


def test_adapted_resnet_18_is_the_usual_one_for_cifar() -> None:
    module = model("resnet18").build(IMAGES, 10)
    assert module.conv1.kernel_size == (3, 3)
    assert isinstance(module.maxpool, nn.Identity)
    # 64 maps of 32x32 in the first stage, and half the side with twice the maps in each of the others
    stages = [(4 * 9 * 64 * 64) * 32**2]
    for w, side in ((128, 16), (256, 8), (512, 4)):
        stages.append((9 * (w // 2) * w + 3 * 9 * w * w + (w // 2) * w) * side**2)
    assert count_flops(module, IMAGES.shape) == 2 * (27 * 64 * 32**2 + sum(stages) + 512 * 10)


def test_operations_of_torchs_attention_are_counted() -> None:
    module = nn.MultiheadAttention(8, 2, batch_first=True)

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = module

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.attention(inputs, inputs, inputs, need_weights=False)[0]

    tokens, w = 5, 8
    assert count_flops(Alone(), (tokens, w)) == 2 * (tokens * 4 * w * w + 2 * tokens * tokens * w)


def test_components_are_found_by_name_pickled_and_told_apart() -> None:
    one = model("resnet18")
    assert type(one) is registry.get("model", "torchvision:resnet18")
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.digest() != model("resnet34").digest() != model("resnet34", "original").digest()
    with pytest.raises(UnknownComponent, match="resnet18"):
        registry.get("model", "torchvision:resnet_18")


def test_torchvision_is_imported_when_it_is_used() -> None:
    script = (
        "import sys; from trainables.registry import registry; from orchestrator.grid.schema import documented;"
        "documented('model'); print('torchvision' in sys.modules);"
        "registry.get('model', 'torchvision:resnet18'); print('torchvision' in sys.modules)"
    )
    ended = forks.run(Path.cwd(), ["-c", script], os.environ, timeout=280)
    assert ended.stdout.split() == ["False", "True"]
