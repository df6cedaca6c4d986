"""Parameters, operations and outputs of each model against formulas worked out by hand."""

import pytest
import torch
from pydantic import ValidationError

from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.training.costs import count_flops, count_parameters

CLASSES = tuple("abcdefghij")


def image(channels: int = 1, height: int = 28, width: int = 28) -> DataInfo:
    return DataInfo("images", "image", (channels, height, width), "classification", CLASSES)


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def lstm_layer(inputs: int, hidden: int) -> int:
    return 4 * hidden * (inputs + hidden + 2)  # four gates, two biases each


def resnet_parameters(channels: int, depth: int, w: int) -> int:
    blocks = (depth - 2) // 6
    convolutions = 9 * channels * w + 9 * w * w * 2 * blocks
    for width in (2 * w, 4 * w):
        convolutions += 9 * (width // 2) * width + 9 * width * width * (2 * blocks - 1)
    norms = 2 * w * (1 + 2 * blocks) + 2 * 2 * w * 2 * blocks + 2 * 4 * w * 2 * blocks
    return convolutions + norms + linear(4 * w, 10)


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        (Mlp(hidden=(64, 32)), image(3, 8, 6), linear(144, 64) + linear(64, 32) + linear(32, 10)),
        (Cnn(channels=(8, 16), hidden=(64,)), image(), 80 + (72 * 16 + 16) + linear(16 * 49, 64) + linear(64, 10)),
        (Cnn(channels=(4,), kernels=(4,), hidden=(), pool="avg"), image(1, 9, 7), 68 + linear(4 * 4 * 3, 10)),
        (Cnn(channels=(4,), hidden=(5,), pool="none"), image(1, 3, 2), 40 + linear(24, 5) + linear(5, 10)),
        (Cnn(channels=(8,), kernels=(5,), hidden=(), batch_norm=True), image(), 200 + 16 + linear(8 * 196, 10)),
        (Resnet(depth=8, width=4), image(3, 32, 32), resnet_parameters(3, 8, 4)),
        (Resnet(depth=20, width=16), image(3, 32, 32), resnet_parameters(3, 20, 16)),
        (Lstm(hidden=16, layers=2), image(3, 8, 6), lstm_layer(18, 16) + lstm_layer(16, 16) + linear(16, 10)),
    ],
)
def test_parameters_are_what_the_formula_says(model: Model, data: DataInfo, expected: int) -> None:
    module = model.build(data, 10)
    assert count_parameters(module) == expected
    for batch in (1, 3):
        assert module(torch.rand(batch, *data.shape)).shape == (batch, 10)


def test_resnet_20_has_the_size_of_the_paper() -> None:
    assert round(count_parameters(Resnet(depth=20).build(image(3, 32, 32), 10)) / 1e6, 2) == 0.27  # table 6


@pytest.mark.parametrize(
    ("model", "data", "multiply_adds"),
    [
        (Mlp(hidden=(64,)), image(), 784 * 64 + 64 * 10),
        (
            Cnn(channels=(8, 16), kernels=(5, 3), hidden=(64,)),
            image(3, 28, 20),
            75 * 8 * 28 * 20 + 72 * 16 * 14 * 10 + 16 * 7 * 5 * 64 + 640,
        ),
        (Lstm(hidden=16, layers=2), image(1, 12, 7), 12 * 64 * (7 + 16) + 12 * 64 * (16 + 16) + 160),
    ],
)
def test_a_multiply_add_counts_as_two_operations(model: Model, data: DataInfo, multiply_adds: int) -> None:
    assert count_flops(model.build(data, 10), data.shape) == 2 * multiply_adds
    assert torch.backends.mkldnn.enabled, "counting must not leave torch's switches changed"


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        (Cnn(channels=(2, 2, 2, 2)), image(1, 28, 15), "cnn makes the image smaller 4 times"),
        (Resnet(depth=8), image(1, 28, 4), "at least 5x5"),
        (Mlp(), DataInfo("films", "clip", (4, 3, 8, 8), "classification", CLASSES), "films has clip inputs"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(model: Model, data: DataInfo, reason: str) -> None:
    assert reason in (model.unsupported_reason(data) or "")


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Cnn(channels=(2, 2, 2)), image(4, 8, 15)),
        (Cnn(channels=(2,) * 9, pool="none"), image(1, 1, 1)),
        (Resnet(depth=8, width=2), image(2, 5, 9)),
        (Cnn(channels=(2, 2), batch_norm=True), image(1, 4, 4)),
    ],
)
def test_the_smallest_images_that_are_accepted_train_in_a_batch_of_one(model: Model, data: DataInfo) -> None:
    assert model.unsupported_reason(data) is None
    assert torch.isfinite(model.build(data, 3).train()(torch.rand(1, *data.shape))).all()


def test_sizes_may_stand_without_brackets() -> None:
    assert Cnn.from_parameters({"channels": 8, "hidden": 64, "kernels": 5}) == Cnn(
        channels=(8,), hidden=(64,), kernels=(5,)
    )
    assert Mlp.from_parameters({"hidden": [64, 32]}).digest() == Mlp(hidden=(64, 32)).digest()


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Resnet, {"depth": 9}),
        (Resnet, {"depth": 2}),
        (Mlp, {"hidden": []}),
        (Mlp, {"hidden": True}),
        (Mlp, {"hidden": [64, 0]}),
        (Cnn, {"kernels": [3, 3, 3]}),
        (Cnn, {"pool": "mean"}),
        (Lstm, {"layers": 0}),
        (Lstm, {"hidden": 1.5}),
    ],
)
def test_impossible_parameters_are_refused(model: type[Model], parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.from_parameters(parameters)


def test_lstm_reads_rows_from_top_to_bottom_and_runs_in_bf16() -> None:
    data = image(3, 5, 4)
    module = Lstm(hidden=6).build(data, 2).eval()
    inputs = torch.rand(2, 3, 5, 4)
    rows = torch.stack([inputs[:, :, row].reshape(2, 12) for row in range(5)], dim=1)
    states, _ = module.layers[0](rows)
    torch.testing.assert_close(module(inputs), module.head(states[:, -1]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(module(inputs).float(), module(inputs.clone()).float(), atol=0, rtol=0)
