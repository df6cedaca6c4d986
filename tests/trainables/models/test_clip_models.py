"""Models of clips: sizes by hand, and what they can and cannot know of the order of frames."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models.cnn3d import Cnn3d
from trainables.models.cnn_rnn import CnnRnn
from trainables.models.frame_average import FrameAverage
from trainables.regularizers.dropout import Dropout
from trainables.training.costs import count_flops, count_parameters

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
CELLS = tuple(GATES)
SMALL = (FrameAverage(channels=(4, 6)), CnnRnn(channels=(4, 6)), Cnn3d(channels=(4, 6, 8)))


def film(frames: int = 6, channels: int = 3, height: int = 9, width: int = 12) -> DataInfo:
    return DataInfo("films", "clip", (frames, channels, height, width), "classification", tuple("abcde"))


def frame_network(channels: int, maps: tuple[int, int], pooled: int, features: int, beside: int = 2) -> int:
    """beside: numbers for each map beside the kernels, two of batch norm or a bias."""
    first, second = maps
    convolutions = 9 * channels * first + 9 * first * second + beside * (first + second)
    return convolutions + second * pooled * features + features


def frame_operations(channels: int, maps: tuple[int, int], pooled: int, features: int) -> int:
    """Multiply-adds of a frame of 9 x 12 pixels."""
    first, second = maps
    return 9 * channels * first * 108 + 9 * first * second * 24 + second * pooled * features


@pytest.mark.parametrize("cell", CELLS)
def test_cnn_rnn_has_the_size_that_the_formula_says(cell: str) -> None:
    model = CnnRnn.from_parameters({"channels": [4, 6], "features": 10, "cell": cell, "hidden": 8, "layers": 2})
    module = model.build(film(), 5)
    layers = GATES[cell] * 8 * ((10 + 8 + 2) + (8 + 8 + 2))
    assert count_parameters(module) == frame_network(3, (4, 6), 6, 10) + layers + 8 * 5 + 5
    steps = GATES[cell] * 8 * ((10 + 8) + (8 + 8))
    assert count_flops(module, film().shape) == 2 * (6 * (frame_operations(3, (4, 6), 6, 10) + steps) + 8 * 5)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_frame_average_has_the_size_that_the_formula_says(batch_norm: bool) -> None:
    module = FrameAverage(channels=(4, 6), features=10, batch_norm=batch_norm).build(film(), 5)
    beside = 2 if batch_norm else 1
    assert count_parameters(module) == frame_network(3, (4, 6), 6, 10, beside) + 10 * 5 + 5
    assert count_flops(module, film().shape) == 2 * (6 * frame_operations(3, (4, 6), 6, 10) + 10 * 5)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_cnn3d_has_the_size_that_the_formula_says(batch_norm: bool) -> None:
    module = Cnn3d(channels=(4, 6, 8), batch_norm=batch_norm).build(film(), 5)
    beside = 2 * (4 + 6 + 8) if batch_norm else 4 + 6 + 8
    assert count_parameters(module) == 27 * (3 * 4 + 4 * 6 + 6 * 8) + beside + 8 * 5 + 5
    # 6 frames of 9 x 12, then 6 of 4 x 6, then 3 of 2 x 3
    operations = 27 * (3 * 4 * 6 * 108 + 4 * 6 * 6 * 24 + 6 * 8 * 3 * 6) + 8 * 5
    assert count_flops(module, film().shape) == 2 * operations


def frames_apart(module: torch.nn.Module, clip: Tensor) -> Tensor:
    """What the frame network says of each frame of one clip, written with functions: (frames, features)."""
    rows = []
    for frame in clip:
        maps = frame[None]
        for convolution, norm in zip(module.maps[::4], module.maps[1::4], strict=False):
            maps = F.conv2d(maps, convolution.weight, padding=1)
            mean, variance, scale, shift = (
                values[:, None, None] for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            )
            maps = F.max_pool2d(F.relu((maps - mean) / (variance + 1e-5).sqrt() * scale + shift), 2)
        linear = module.features[0]
        rows.append(F.relu(F.linear(maps.flatten(1), linear.weight, linear.bias))[0])
    return torch.stack(rows)


def test_frame_average_is_the_mean_of_the_logits_of_its_frames() -> None:
    module = SMALL[0].build(film(), 5)
    clips = torch.randn(2, *film().shape)
    module.train()(clips)  # the statistics of batch norm are no longer those it starts with
    module.eval()
    logits = torch.stack([module.head(frames_apart(module.frames, clip)).mean(0) for clip in clips])
    torch.testing.assert_close(module(clips), logits)


@pytest.mark.parametrize("cell", CELLS)
def test_cnn_rnn_is_a_recurrent_layer_over_what_is_said_of_each_frame(cell: str) -> None:
    module = CnnRnn.from_parameters({"channels": [4, 6], "cell": cell, "hidden": 7}).build(film(), 5).eval()
    clips = torch.randn(2, *film().shape)
    features = torch.stack([frames_apart(module.frames, clip) for clip in clips])
    kind = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    torch_layer = kind(64, 7)  # steps first, unlike ours
    torch_layer.load_state_dict(module.state.layers[0].state_dict())
    states, _ = torch_layer(features.transpose(0, 1))
    torch.testing.assert_close(module(clips), module.head(states[-1]))


def test_cnn3d_is_convolution_norm_relu_and_pool() -> None:
    module = Cnn3d(channels=(4, 6, 8)).build(film(), 5).eval()
    clips = torch.randn(2, *film().shape)
    maps = clips.transpose(1, 2)
    convolutions = [layer for layer in module if isinstance(layer, torch.nn.Conv3d)]
    for layer, pool in zip(convolutions, [(1, 2, 2), (2, 2, 2), (2, 2, 2)], strict=True):
        maps = F.conv3d(maps, layer.weight, padding=1) / (1 + 1e-5) ** 0.5  # batch norm, as it starts
        maps = F.max_pool3d(F.relu(maps), pool)
    torch.testing.assert_close(module(clips), module[-1](maps.mean((2, 3, 4))))


def test_only_frame_average_is_blind_to_the_order_of_frames() -> None:
    torch.manual_seed(0)
    clips = torch.randn(3, *film().shape)
    other = clips[:, torch.randperm(6)]
    for model in SMALL:
        module = model.build(film(), 5).eval()
        same = torch.allclose(module(clips), module(other), atol=1e-6)
        assert same == (model.name == "frame_average"), model.name


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_clips_of_one_frame_and_of_the_smallest_size_train_in_a_batch_of_one(model: Model) -> None:
    data = film(frames=1, channels=1, height=1 << len(model.channels), width=1 << len(model.channels))
    assert model.unsupported_reason(data) is None
    outputs = model.build(data, 3).train()(torch.rand(1, *data.shape))
    assert outputs.shape == (1, 3) and torch.isfinite(outputs).all()


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_what_cannot_work_is_refused_with_a_reason(model: Model) -> None:
    image = DataInfo("images", "image", (3, 32, 32), "classification", ("a", "b"))
    assert model.unsupported_reason(image) == f"{model.name} reads clip inputs, but images has image inputs"
    times = len(model.channels)
    reason = model.unsupported_reason(film(height=(1 << times) - 1, width=99))
    assert (
        reason == f"{model.name} halves a frame {times} times, which leaves nothing of {2**times - 1}x99 pixels (films)"
    )


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_dropout_has_a_place(model: Model) -> None:
    module = model.build(film(), 5).train()
    clips = torch.randn(2, *film().shape)
    Dropout(p=0.5).on_model(module)
    torch.manual_seed(0)
    first = module(clips)
    assert not torch.allclose(first, module(clips))
