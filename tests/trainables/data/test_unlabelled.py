"""Batches without labels: every image in its turn, and the range of standardised pixels."""

import numpy as np
import pytest
import torch

from trainables.data.batches import Batches, UnlabelledBatches
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import Examples

CPU = torch.device("cpu")


def batches_of(count: int, channels: int = 1) -> Batches:
    """The first pixel of each image is its number."""
    inputs = np.zeros((count, channels, 2, 2), np.uint8)
    inputs[:, 0, 0, 0] = np.arange(count)
    examples = Examples(inputs, np.zeros(count, np.int64), np.zeros(count, bool))
    mean, std = np.linspace(0.2, 0.4, channels), np.linspace(0.5, 0.25, channels)
    statistics = ChannelStatistics(mean.astype(np.float32), std.astype(np.float32))
    return Batches(examples, statistics, CPU, channels_last=True)


def numbers(inputs: torch.Tensor) -> list[int]:
    return [round(value) for value in ((inputs[:, 0, 0, 0] * 0.5 + 0.2) * 255).tolist()]


def test_each_image_comes_once_and_then_again_in_another_order() -> None:
    chosen = np.array([3, 5, 8, 9, 12, 15, 16])
    unlabelled = UnlabelledBatches(batches_of(20), chosen, 4, lambda n: slice(0, n), seed=1, device=CPU)
    again = UnlabelledBatches(batches_of(20), chosen, 4, lambda n: slice(0, n), seed=1, device=CPU)
    drawn = [numbers(unlabelled.draw()) for _ in range(8)]
    assert drawn == [numbers(again.draw()) for _ in range(8)]
    assert len(unlabelled) == 7
    rounds = [drawn[0] + drawn[1], drawn[2] + drawn[3], drawn[4] + drawn[5]]
    assert all(sorted(one) == chosen.tolist() for one in rounds)
    assert len({tuple(one) for one in rounds}) == 3


def test_the_ranks_share_each_batch() -> None:
    chosen = np.arange(12)
    whole = UnlabelledBatches(batches_of(12), chosen, 6, lambda n: slice(0, n), seed=2, device=CPU)
    halves = [
        UnlabelledBatches(
            batches_of(12), chosen, 6, lambda n, r=rank: slice(n * r // 2, n * (r + 1) // 2), seed=2, device=CPU
        )
        for rank in range(2)
    ]
    for _ in range(3):
        assert numbers(whole.draw()) == [number for half in halves for number in numbers(half.draw())]


def test_black_and_white_are_told_apart_channel_by_channel() -> None:
    unlabelled = UnlabelledBatches(batches_of(4, channels=2), np.arange(4), 2, lambda n: slice(0, n), 0, CPU)
    assert unlabelled.black.flatten().tolist() == pytest.approx([-0.2 / 0.5, -0.4 / 0.25])
    assert unlabelled.white.flatten().tolist() == pytest.approx([0.8 / 0.5, 0.6 / 0.25])
