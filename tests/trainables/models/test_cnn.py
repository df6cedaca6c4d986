"""The options of `cnn` against formulas, windows cut by hand, and the two networks of DeepOBS."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from orchestrator.grid.reader import read_grid
from trainables.dataset import DataInfo
from trainables.models.cnn import Cnn
from trainables.training.costs import count_parameters

EXAMPLES = Path(__file__).parents[3] / "examples"
CLASSES = tuple("abcdefghij")


def image(channels: int = 1, height: int = 28, width: int = 28) -> DataInfo:
    return DataInfo("images", "image", (channels, height, width), "classification", CLASSES)


def deepobs(name: str) -> Cnn:
    model = next(iter(read_grid(EXAMPLES / name).axes.model)).config
    assert isinstance(model, Cnn)
    return model


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def test_deepobs_2c2d_is_a_configuration_of_cnn() -> None:
    module = deepobs("deepobs_2c2d.yaml").build(image(), 10)
    convolutions = (25 * 32 + 32) + (25 * 32 * 64 + 64)
    assert count_parameters(module) == convolutions + linear(7 * 7 * 64, 1024) + linear(1024, 10) == 3_274_634
    assert module(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_deepobs_3c3d_is_a_configuration_of_cnn() -> None:
    module = deepobs("deepobs_3c3d.yaml").build(image(3, 32, 32), 10)
    convolutions = (75 * 64 + 64) + (9 * 64 * 96 + 96) + (9 * 96 * 128 + 128)
    dense = linear(3 * 3 * 128, 512) + linear(512, 256) + linear(256, 10)
    assert count_parameters(module) == convolutions + dense == 895_210
    assert module(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def windows(side: int, size: int, stride: int) -> list[slice]:
    """TensorFlow's `SAME`: ceil(side / stride) windows, what is missing is divided over both edges, the odd one last."""
    count = math.ceil(side / stride)
    missing = max(0, (count - 1) * stride + size - side)
    starts = [index * stride - missing // 2 for index in range(count)]
    return [slice(max(0, start), min(side, start + size)) for start in starts]


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1), (4, 3), (5, 2), (1, 3), (2, 3)])
@pytest.mark.parametrize("pool", ["max", "avg"])
def test_a_pool_of_same_padding_takes_tensorflows_windows(pool: str, size: int, stride: int) -> None:
    maps = np.random.default_rng(0).random((2, 3, 11, 6))
    expected = np.array(
        [
            [[[getattr(one[rows, columns], "max" if pool == "max" else "mean")() for columns in windows(6, size, stride)]
              for rows in windows(11, size, stride)] for one in example]
            for example in maps
        ]
    )  # fmt: skip
    parameters = {"channels": 3, "pool": pool, "pool_size": size, "pool_stride": stride, "pool_padding": "same"}
    model = Cnn.from_parameters(parameters)
    module = model.build(image(3, 11, 6), 4)
    pooled = next(part for part in module if isinstance(part, nn.MaxPool2d | nn.AvgPool2d))(torch.from_numpy(maps))
    torch.testing.assert_close(pooled, torch.from_numpy(expected))
    assert module(torch.rand(1, 3, 11, 6)).shape == (1, 4)


@pytest.mark.parametrize(
    ("parameters", "side"),
    [
        ({"padding": "valid"}, ((28 - 2) // 2 - 2) // 2),
        ({"padding": ["valid", "same"], "kernels": [5, 4]}, (28 - 4) // 2 // 2),
        ({"pool_size": 3}, 28 // 3 // 3),
        ({"pool_size": 3, "pool_stride": 2}, ((28 - 3) // 2 + 1 - 3) // 2 + 1),
        ({"pool": "none", "padding": "valid", "kernels": 5}, 28 - 4 - 4),
        ({"pool_padding": "same", "pool_size": 3, "pool_stride": 2}, 7),
    ],
)
def test_the_size_that_is_left_is_counted_right(parameters: dict[str, object], side: int) -> None:
    module = Cnn.from_parameters({"channels": [2, 4], "hidden": [], **parameters}).build(image(), 10)
    assert module(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert list(module.parameters())[-2].shape == (10, 4 * side * side)


def test_images_that_a_cnn_would_use_up_are_refused() -> None:
    model = Cnn(channels=(2, 2), padding=("valid",), kernels=(5,))
    assert model.unsupported_reason(image(1, 16, 18)) is None
    reason = model.unsupported_reason(image(1, 15, 18))
    assert reason == ("cnn makes the image smaller 2 times, of which number 2 leaves nothing of 15x18 pixels (images)")
    assert Cnn(pool_size=9).unsupported_reason(image(1, 28, 28)) is not None


@pytest.mark.parametrize("attention", ["se", "cbam"])
def test_attention_has_the_parameters_of_its_paper(attention: str) -> None:
    plain = count_parameters(Cnn(channels=(32, 96)).build(image(), 10))
    attending = count_parameters(Cnn.from_parameters({"channels": [32, 96], "attention": attention}).build(image(), 10))
    bottlenecks = 2 * 32 * 4 + 2 * 96 * 6  # a sixteenth of the channels, but at least 4
    assert attending - plain == bottlenecks + (2 * 7 * 7 * 2 if attention == "cbam" else 0)


def stage(attention: str) -> tuple[nn.Module, Tensor, dict[str, Tensor]]:
    """A network, the maps that its attention reads, and its weights by their last names."""
    torch.manual_seed(0)
    module = Cnn.from_parameters({"channels": 8, "hidden": [], "attention": attention}).build(image(), 10)
    maps = module[:3](torch.rand(3, 1, 28, 28))
    return module, maps, dict(module.named_parameters())


def test_squeeze_and_excitation_weighs_channels_by_their_means() -> None:
    module, maps, weights = stage("se")
    first, second = (value for key, value in weights.items() if "excitation" in key)
    means = maps.sum(dim=(2, 3)) / (14 * 14)
    scales = 1 / (1 + torch.exp(-((means @ first.T).clamp(min=0) @ second.T)))
    torch.testing.assert_close(module[3](maps), torch.einsum("bchw,bc->bchw", maps, scales))


def test_cbam_weighs_channels_and_then_places() -> None:
    module, maps, weights = stage("cbam")
    first, second = (value for key, value in weights.items() if "shared" in key)
    kernel = next(value for key, value in weights.items() if "convolution" in key)

    def bottleneck(values: Tensor) -> Tensor:
        return (values @ first.T).clamp(min=0) @ second.T

    described = bottleneck(maps.flatten(2).mean(2)) + bottleneck(maps.flatten(2).max(2).values)
    maps = torch.einsum("bchw,bc->bchw", maps, torch.sigmoid(described))
    planes = torch.stack([maps.mean(1), maps.max(1).values], dim=1)
    places = nn.functional.conv2d(nn.functional.pad(planes, (3, 3, 3, 3)), kernel)
    torch.testing.assert_close(module[4](module[3](stage("cbam")[1])), maps * torch.sigmoid(places))


def test_a_truncated_normal_has_deepobs_bounds_and_biases() -> None:
    module = deepobs("deepobs_2c2d.yaml").build(image(), 10)
    for name, values in module.named_parameters():
        if name.endswith("bias"):
            assert torch.all(values == 0.05)
        else:
            assert values.abs().max() <= 0.1
    weights = torch.cat(
        [values.detach().flatten() for name, values in module.named_parameters() if name.endswith("weight")]
    )
    # of a normal distribution cut off at two deviations: 0.05 * sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)) = 0.04398
    assert weights.std() == pytest.approx(0.04398, rel=0.01)
    assert abs(weights.mean()) < 1e-3


def test_xavier_has_glorots_variance() -> None:
    module = deepobs("deepobs_3c3d.yaml").build(image(3, 32, 32), 10)
    assert all(not values.any() for name, values in module.named_parameters() if name.endswith("bias"))
    weights = [values.detach() for name, values in module.named_parameters() if name.endswith("weight")]
    assert weights[0].var() == pytest.approx(2 / (75 + 25 * 64), rel=0.1)
    assert weights[3].var() == pytest.approx(2 / (1152 + 512), rel=0.05)
    assert weights[3].abs().max() <= math.sqrt(6 / (1152 + 512))


def test_the_new_options_draw_and_compute_nothing_at_their_defaults() -> None:
    torch.manual_seed(3)
    built = Cnn(channels=(4, 8)).build(image(), 10)
    torch.manual_seed(3)
    by_hand = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(4, 8, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(8 * 49, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
    inputs = torch.rand(2, 1, 28, 28)
    assert torch.equal(built(inputs), by_hand(inputs))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"padding": ["same", "valid", "same"]}, "give one padding for all convolutions or one for each"),
        ({"kernels": [3, 3, 3]}, "give one kernel for all"),
        ({"padding": "half"}, "'same' or 'valid'"),
        ({"pool_padding": "same", "pool_stride": 1}, "odd pool_size"),
        ({"init": "zeros"}, "truncated_normal"),
        ({"attention": "self"}, "cbam"),
    ],
)
def test_impossible_options_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Cnn.from_parameters(parameters)


def test_one_padding_may_stand_without_brackets() -> None:
    assert Cnn.from_parameters({"padding": "valid"}) == Cnn(padding=("valid",))
    assert Cnn.from_parameters({"padding": "same"}).digest() == Cnn().digest()
