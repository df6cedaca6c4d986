"""How much quicker one net is than another: the statistics against scipy, the timing with nets whose times are known."""

import time

import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn

from trainables.protocol import Protocol
from trainables.stages.speed import compare, median_ranks


@pytest.mark.parametrize("count", [6, 7, 20, 21, 100, 301])
def test_the_interval_of_the_median_is_the_narrowest_that_holds(count: int) -> None:
    low, high = median_ranks(count)
    assert high == count - 1 - low
    assert 2 * binom.cdf(low, count, 0.5) <= 0.05  # so many or fewer below the median
    assert 2 * binom.cdf(low + 1, count, 0.5) > 0.05


def test_of_few_values_the_interval_is_all_of_them() -> None:
    assert [median_ranks(count) for count in (1, 2, 5)] == [(0, 0), (0, 1), (0, 4)]


class Waits(nn.Module):
    """Takes so many seconds a pass."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.seen = seconds, []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(inputs)
        time.sleep(self.seconds)
        return inputs


def test_the_quicker_of_two_is_told_by_their_ratio() -> None:
    slow, quick = Waits(0.004), Waits(0.001)
    speed = compare(slow, quick, [(torch.zeros(1), torch.ones(1))], Protocol(), torch.device("cpu"))
    assert speed.low <= speed.speedup <= speed.high
    assert 1.5 < speed.speedup < 4.5  # sleeping takes its time and a little more, of which either has as much
    assert 1 <= speed.p50 <= speed.p95 <= speed.p99


def test_each_net_is_given_what_it_takes_and_both_as_often() -> None:
    first, second = Waits(0), Waits(0)
    compare(first, second, [(torch.zeros(1), torch.ones(1))], Protocol(), torch.device("cpu"))
    assert len(first.seen) == len(second.seen)
    assert not any(inputs.any() for inputs in first.seen) and all(inputs.all() for inputs in second.seen)
