"""Batches: every example once an epoch, the same whatever the number of ranks, standardised by the training split."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.data.batches import Batches, steps
from trainables.data.statistics import ChannelStatistics, channel_statistics
from trainables.dataset import Examples
from trainables.interfaces import Regularizer

CPU = torch.device("cpu")


def whole(count: int) -> slice:
    return slice(0, count)


def rank_of(rank: int, world: int) -> Callable[[int], slice]:
    return lambda count: slice(count * rank // world, count * (rank + 1) // world)


def examples_of(count: int, shape: tuple[int, ...] = (1, 4, 3)) -> Examples:
    """The target of an example is its index."""
    inputs = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return Examples(inputs, np.arange(count), np.zeros(count, dtype=bool))


def batches_of(examples: Examples, channels_last: bool = True) -> Batches:
    statistics = channel_statistics(examples.inputs, np.arange(len(examples)))
    return Batches(examples, statistics, CPU, channels_last)


def epoch(
    batches: Batches,
    indices: np.ndarray,
    batch_size: int,
    regularizers: tuple[Regularizer, ...] = (),
    order: torch.Generator | None = None,
    shard: Callable[[int], slice] = whole,
) -> list[tuple[Tensor, Tensor]]:
    order = order or torch.Generator().manual_seed(0)
    augment = torch.Generator().manual_seed(1)
    return list(batches.training(indices, batch_size, regularizers, order, augment, shard))


class Halved(Regularizer):
    name = "halved"

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        assert inputs.dtype == torch.uint8
        return inputs / 255 / 2, targets


class Written(Regularizer):
    """Changes what it is given in place, which must not reach the data."""

    name = "written"

    def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        inputs.zero_()
        targets.zero_()
        return inputs, targets


def test_an_epoch_has_every_index_once_and_the_next_another_order() -> None:
    batches, indices = batches_of(examples_of(50)), np.arange(10, 50)
    order = torch.Generator().manual_seed(3)
    first = torch.cat([targets for _, targets in epoch(batches, indices, 16, order=order)])
    second = torch.cat([targets for _, targets in epoch(batches, indices, 16, order=order)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == indices.tolist()
    assert first.tolist() != second.tolist() != indices.tolist()


def test_inputs_go_with_their_targets_and_are_standardised() -> None:
    examples = examples_of(20, (3, 5, 4))
    unit = examples.inputs / 255
    mean, std = unit.mean((0, 2, 3), keepdims=True), unit.std((0, 2, 3), keepdims=True)
    for inputs, targets in epoch(batches_of(examples), np.arange(20), 8):
        assert inputs.dtype == torch.float32
        assert targets.dtype == torch.int64
        np.testing.assert_allclose(inputs.numpy(), ((unit - mean) / std)[targets.numpy()], atol=2e-6)


@pytest.mark.parametrize(
    ("count", "batch_size", "world", "sizes"),
    [
        (10, 4, 1, [4, 4, 2]),
        (9, 4, 1, [4, 5]),
        (8, 4, 1, [4, 4]),
        (1, 4, 1, [1]),
        (3, 1, 1, [1, 1, 1]),
        (11, 8, 2, [11]),
        (12, 8, 2, [8, 4]),
        (3, 8, 2, [3]),
    ],
)
def test_a_last_batch_that_batch_norm_cannot_use_joins_the_one_before(
    count: int, batch_size: int, world: int, sizes: list[int]
) -> None:
    batches = batches_of(examples_of(count))
    ranks = [epoch(batches, np.arange(count), batch_size, shard=rank_of(rank, world)) for rank in range(world)]
    assert [sum(len(targets) for _, targets in parts) for parts in zip(*ranks, strict=True)] == sizes
    assert all(steps(count, batch_size, rank_of(rank, world)) == len(sizes) for rank in range(world))


@pytest.mark.parametrize("world", [2, 3, 7])
def test_ranks_share_the_batches_of_one(world: int) -> None:
    batches, indices = batches_of(examples_of(110)), np.arange(110)  # the last batch has two for each of seven ranks
    alone = epoch(batches, indices, 32)
    ranks = [epoch(batches, indices, 32, shard=rank_of(rank, world)) for rank in range(world)]
    joined = [torch.cat([targets for _, targets in parts]).tolist() for parts in zip(*ranks, strict=True)]
    assert joined == [targets.tolist() for _, targets in alone]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 10, 11])
def test_evaluation_keeps_the_order_of_the_split_over_all_ranks(count: int, world: int) -> None:
    batches = batches_of(examples_of(30))
    indices = np.random.default_rng(0).permutation(30)[:count]
    seen = [
        torch.cat([targets for _, targets in batches.evaluation(indices, 4, rank_of(rank, world))])
        for rank in range(world)
    ]
    assert torch.cat(seen).tolist() == indices.tolist()


def test_an_empty_part_of_an_evaluation_has_the_shape_of_the_others() -> None:
    (inputs, targets), *rest = batches_of(examples_of(5)).evaluation(np.array([2]), 4, rank_of(0, 2))
    assert rest == []
    assert inputs.shape == (0, 1, 4, 3)
    assert targets.shape == (0,)


def test_regularizers_see_bytes_and_may_return_floats() -> None:
    examples = examples_of(6)
    batches = Batches(examples, ChannelStatistics(np.zeros(1, np.float32), np.ones(1, np.float32)), CPU, True)
    for inputs, targets in epoch(batches, np.arange(6), 3, (Halved(),)):
        np.testing.assert_allclose(inputs.numpy(), examples.inputs[targets.numpy()] / 510, atol=1e-6)


def test_a_regularizer_that_writes_in_place_leaves_the_data_alone() -> None:
    examples = examples_of(6)
    before = examples.inputs.copy()
    for inputs, targets in epoch(batches_of(examples), np.arange(6), 3, (Written(),)):
        assert inputs.unique().numel() == 1
        assert not targets.any()
    np.testing.assert_array_equal(examples.inputs, before)
    assert examples.targets.tolist() == list(range(6))


def test_standardise_takes_bytes_and_floats_and_leaves_them_as_they_are() -> None:
    batches = batches_of(examples_of(6))
    floats = torch.rand(2, 1, 4, 3)
    kept = floats.clone()
    standardised = batches.standardise(floats)
    assert torch.equal(floats, kept)
    bytes_ = (floats * 255).round().to(torch.uint8)
    torch.testing.assert_close(batches.standardise(bytes_ / 255), batches.standardise(bytes_), atol=2e-6, rtol=1e-6)
    assert (standardised - batches.standardise(bytes_)).abs().max() < 0.02


def test_gradients_come_through_to_pictures_in_colours() -> None:
    batches = batches_of(examples_of(6, (3, 4, 5)))
    pixels = torch.rand(2, 3, 4, 5, requires_grad=True)
    standardised = batches.standardise(pixels)
    standardised.sum().backward()
    assert pixels.grad is not None and standardised.is_contiguous(memory_format=torch.channels_last)
    white, black = (batches.standardise(torch.full((2, 3, 4, 5), level)) for level in (1.0, 0.0))
    torch.testing.assert_close(pixels.grad, white - black)


def test_images_are_channels_last_where_asked() -> None:
    examples = examples_of(6, (3, 4, 5))
    for channels_last in (True, False):
        (inputs, _), *_ = epoch(batches_of(examples, channels_last), np.arange(6), 3)
        assert inputs.is_contiguous(memory_format=torch.channels_last) is channels_last
        assert inputs.is_contiguous() is not channels_last


def test_clips_and_numeric_targets() -> None:
    inputs = np.random.default_rng(0).random((6, 2, 3, 4, 4)).astype(np.float32)
    targets = np.random.default_rng(1).random((6, 2)).astype(np.float32)
    examples = Examples(inputs, targets, np.zeros(6, dtype=bool))
    mean, std = inputs.mean((0, 1, 3, 4)), inputs.std((0, 1, 3, 4))
    ((batch, batch_targets),) = batches_of(examples, channels_last=False).evaluation(np.arange(6), 9, whole)
    standardised = (inputs - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(batch.numpy(), standardised, atol=1e-5)
    np.testing.assert_array_equal(batch_targets.numpy(), targets)


def test_a_read_only_map_is_used_in_silence_and_not_copied(tmp_path: Path) -> None:
    plain = examples_of(20)
    np.save(tmp_path / "inputs.npy", plain.inputs)
    mapped = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = batches_of(Examples(mapped, plain.targets, plain.official_test))
        (inputs, targets), *_ = epoch(batches, np.arange(20), 20)
    assert batches._inputs.data_ptr() == mapped.ctypes.data
    expected = epoch(batches_of(plain), np.arange(20), 20)[0]
    assert torch.equal(inputs, expected[0])
    assert torch.equal(targets, expected[1])


@pytest.mark.gpu
def test_the_gpu_gives_what_the_cpu_gives_and_holds_one_copy(tmp_path: Path) -> None:
    plain = examples_of(100, (3, 8, 8))
    np.save(tmp_path / "inputs.npy", plain.inputs)
    examples = Examples(np.load(tmp_path / "inputs.npy", mmap_mode="r"), plain.targets, plain.official_test)
    statistics = channel_statistics(examples.inputs, np.arange(100))
    gpu = torch.device("cuda", 0)
    on_gpu, again = (Batches(examples, statistics, gpu, True) for _ in range(2))
    assert on_gpu._inputs.data_ptr() == again._inputs.data_ptr()
    order = torch.Generator().manual_seed(0)
    augment = torch.Generator(gpu).manual_seed(0)
    there = list(on_gpu.training(np.arange(100), 32, (), order, augment, whole))
    here = epoch(Batches(examples, statistics, CPU, True), np.arange(100), 32)
    for (inputs, targets), (expected, expected_targets) in zip(there, here, strict=True):
        assert inputs.device == targets.device == gpu
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(inputs.cpu(), expected, atol=1e-6, rtol=1e-6)
        assert torch.equal(targets.cpu(), expected_targets)
