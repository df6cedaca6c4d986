"""Batches that are decoded while they are trained on: those of arrays, with less in memory."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.data.batches import Batches
from trainables.data.statistics import channel_statistics
from trainables.data.streaming import StreamedBatches
from trainables.data_options import Preprocess
from trainables.dataset import DataInfo, Decoder, Examples, StreamedExamples
from trainables.errors import BrokenImage

CPU = torch.device("cpu")
SHAPE = (3, 6, 5)


def whole(count: int) -> slice:
    return slice(0, count)


def rank_of(rank: int, world: int) -> Callable[[int], slice]:
    return lambda count: slice(count * rank // world, count * (rank + 1) // world)


class Drawn(Decoder):
    """The target of an example is its index. Random parts are stood for by what key and example give."""

    def __init__(self, count: int, shape: tuple[int, ...] = SHAPE, broken: int = -1) -> None:
        self.count, self.shape, self.broken = count, shape, broken
        self.decoded: list[tuple[int, int | None]] = []

    def content_hashes(self) -> np.ndarray:
        return np.arange(self.count, dtype=np.uint64)

    def decode(self, example: int, key: int | None) -> np.ndarray:
        self.decoded.append((example, key))
        if example == self.broken:
            raise BrokenImage(f"{example}.png", "it is empty")
        return np.random.default_rng([example, key or 0]).integers(0, 256, self.shape, np.uint8)

    def examples(self) -> Examples:
        """As arrays, nothing at random."""
        inputs = np.stack([self.decode(example, None) for example in range(self.count)])
        return Examples(inputs, np.arange(self.count), np.zeros(self.count, bool))


def streamed(drawn: Drawn, train: np.ndarray | None = None, preprocess: Preprocess = "standardize") -> StreamedBatches:
    train = np.arange(drawn.count) if train is None else train
    examples = StreamedExamples(drawn, np.arange(drawn.count), np.zeros(drawn.count, bool))
    info = DataInfo("drawn", "image", drawn.shape, "classification", preprocess=preprocess, streamed=True)
    return StreamedBatches(examples, info, train, 0, CPU)


def epoch(
    batches: Batches, indices: np.ndarray, batch_size: int, shard: Callable[[int], slice] = whole, seed: int = 0
) -> list[tuple[Tensor, Tensor]]:
    order, augment = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
    return list(batches.training(indices, batch_size, (), order, augment, shard))


def test_what_is_measured_on_is_what_batches_of_arrays_give() -> None:
    drawn, indices = Drawn(50), np.arange(10, 47)
    arrays = Batches(drawn.examples(), channel_statistics(drawn.examples().inputs, indices), CPU, True)
    batches = streamed(drawn, indices)
    assert batches.shape == arrays.shape
    pairs = zip(batches.evaluation(indices, 8, whole), arrays.evaluation(indices, 8, whole), strict=True)
    for (inputs, targets), (expected, expected_targets) in pairs:
        torch.testing.assert_close(inputs, expected)
        assert torch.equal(targets, expected_targets)
        assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_what_stages_ask_for_is_what_batches_of_arrays_give() -> None:
    drawn, indices = Drawn(30), np.array([7, 3, 21])
    arrays = Batches(drawn.examples(), channel_statistics(drawn.examples().inputs, np.arange(30)), CPU, True)
    ours, theirs = streamed(drawn).examples(indices), arrays.examples(indices)
    assert ours.inputs.dtype == np.uint8
    np.testing.assert_array_equal(ours.inputs, theirs.inputs)
    np.testing.assert_array_equal(ours.targets, theirs.targets)
    for value, expected in zip(streamed(drawn).scale_and_shift(), arrays.scale_and_shift(), strict=True):
        torch.testing.assert_close(value, expected)


def test_the_order_of_training_is_that_of_batches_of_arrays() -> None:
    drawn, indices = Drawn(50), np.arange(3, 50)
    arrays = Batches(drawn.examples(), channel_statistics(drawn.examples().inputs, indices), CPU, True)
    ours, theirs = (epoch(batches, indices, 8) for batches in (streamed(drawn), arrays))
    assert [targets.tolist() for _, targets in ours] == [targets.tolist() for _, targets in theirs]


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_seeds_give_the_same_bits_whatever_the_threads(threads: int) -> None:
    before = torch.get_num_threads()
    reference = epoch(streamed(Drawn(40)), np.arange(40), 7)
    torch.set_num_threads(threads)
    try:
        again = epoch(streamed(Drawn(40)), np.arange(40), 7)
    finally:
        torch.set_num_threads(before)
    for (inputs, targets), (expected, expected_targets) in zip(again, reference, strict=True):
        assert torch.equal(inputs, expected) and torch.equal(targets, expected_targets)
    other = epoch(streamed(Drawn(40)), np.arange(40), 7, seed=9)
    assert not torch.equal(other[0][0], reference[0][0])


def test_each_epoch_draws_its_random_parts_anew() -> None:
    drawn, indices = Drawn(12), np.arange(12)
    batches = streamed(drawn)
    order, augment = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    drawn.decoded.clear()
    for _ in range(2):
        list(batches.training(indices, 4, (), order, augment, whole))
    keys = [key for _, key in drawn.decoded]
    assert None not in keys and len(set(keys)) == 2
    assert sorted(example for example, _ in drawn.decoded) == sorted([*range(12), *range(12)])


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_the_batches_of_one_and_decode_their_part_alone(world: int) -> None:
    alone = epoch(streamed(Drawn(54)), np.arange(54), 16)  # the last batch has two for each of three ranks
    ranks, decoded = [], []
    for rank in range(world):
        drawn = Drawn(54)
        batches = streamed(drawn)
        drawn.decoded.clear()
        ranks.append(epoch(batches, np.arange(54), 16, rank_of(rank, world)))
        decoded += [example for example, _ in drawn.decoded]
    for parts, (inputs, targets) in zip(zip(*ranks, strict=True), alone, strict=True):
        assert torch.equal(torch.cat([part for part, _ in parts]), inputs)
        assert torch.equal(torch.cat([labels for _, labels in parts]), targets)
    assert sorted(decoded) == list(range(54))


def test_an_empty_part_of_an_evaluation_has_the_shape_of_the_others() -> None:
    ((inputs, targets),) = streamed(Drawn(5)).evaluation(np.array([2]), 4, rank_of(0, 2))
    assert inputs.shape == (0, *SHAPE) and targets.shape == (0,)


def test_memory_holds_a_few_batches_and_never_the_whole_set() -> None:
    drawn = Drawn(200, (3, 64, 64))
    batches = streamed(drawn)
    size = 200 * 3 * 64 * 64
    tracemalloc.start()
    seen = 0
    for inputs, _ in batches.training(np.arange(200), 8, (), torch.Generator(), torch.Generator(), whole):
        seen += len(inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == 200
    assert peak < size / 5  # three batches of bytes are an eighth of the set


def test_decoding_goes_no_further_ahead_than_two_batches() -> None:
    drawn = Drawn(100)
    batches = streamed(drawn)
    drawn.decoded.clear()
    reading = batches.evaluation(np.arange(100), 5, whole)
    next(reading)
    reading.close()
    assert 5 <= len(drawn.decoded) <= 15


def test_statistics_are_of_a_sample_of_the_training_split_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.data.streaming._SAMPLE", 20)
    drawn, train = Drawn(90), np.arange(30, 80)
    batches = streamed(drawn, train)
    sample = [example for example, _ in drawn.decoded]
    assert len(sample) == len(set(sample)) == 20 and set(sample) <= set(train.tolist())
    assert {key for _, key in drawn.decoded} == {None}
    expected = channel_statistics(drawn.examples().inputs, np.array(sample))
    inputs = torch.from_numpy(drawn.examples().inputs[:3])
    standardised = (inputs / 255 - torch.from_numpy(expected.mean)[:, None, None]) / torch.from_numpy(expected.std)[
        :, None, None
    ]
    torch.testing.assert_close(batches.standardise(inputs), standardised, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("preprocess", "greatest"), [("scale", 1), ("none", 255)])
def test_without_statistics_nothing_is_decoded_beforehand(preprocess: Preprocess, greatest: int) -> None:
    drawn = Drawn(9)
    batches = streamed(drawn, preprocess=preprocess)
    assert drawn.decoded == []
    ((inputs, _),) = batches.evaluation(np.arange(9), 9, whole)
    torch.testing.assert_close(inputs, torch.from_numpy(drawn.examples().inputs) / 255 * greatest)


def test_a_broken_image_ends_the_epoch_by_its_name() -> None:
    drawn = Drawn(60, broken=33)
    batches = streamed(drawn, np.arange(20))
    with pytest.raises(BrokenImage, match=r"33\.png: it is empty; repair or remove it"):
        epoch(batches, np.arange(60), 6)
    assert len(list(batches.evaluation(np.arange(20), 6, whole))) == 4  # the next trial of the slot goes on
