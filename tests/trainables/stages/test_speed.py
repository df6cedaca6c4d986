"""How much quicker one net is than another: the statistics against scipy, the timing with nets whose times are known."""

import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn

from trainables.protocol import Protocol
from trainables.stages import speed
from trainables.stages.speed import median_ranks


@pytest.mark.parametrize("count", [6, 7, 20, 21, 100, 301])
def test_the_interval_of_the_median_is_the_narrowest_that_holds(count: int) -> None:
    low, high = median_ranks(count)
    assert high == count - 1 - low
    assert 2 * binom.cdf(low, count, 0.5) <= 0.05  # so many or fewer below the median
    assert 2 * binom.cdf(low + 1, count, 0.5) > 0.05


def test_of_few_values_the_interval_is_all_of_them() -> None:
    assert [median_ranks(count) for count in (1, 2, 5)] == [(0, 0), (0, 1), (0, 4)]


class Clock:
    """Goes on only as nets take their time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.interrupted, self.away = 0, 0.0
        """How often, and for how many seconds, somebody else had the core."""

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(speed.time, "perf_counter", made)
    monkeypatch.setattr(speed, "_switches", lambda: made.interrupted)
    monkeypatch.setattr(speed.time, "thread_time", lambda: made.now - made.away)
    return made


class Takes(nn.Module):
    """A pass takes so many seconds, and a fifth more where the pass before it was of other inputs."""

    seen_last: Tensor | None = None
    """By any of them: what lies in the cache."""

    def __init__(self, clock: Clock, seconds: float, like: float = 1.2) -> None:
        super().__init__()
        self.clock, self.seconds, self.cold = clock, seconds, like
        self.seen: list[float] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(float(inputs))
        warm = Takes.seen_last is inputs
        Takes.seen_last = inputs
        self.clock.now += self.seconds * (1 if warm else self.cold)
        return inputs


def compared(parent: Takes, variant: Takes, *inputs: float) -> speed.Speed:
    batches = [(each, each) for each in map(torch.tensor, inputs)]
    return speed.compare(parent, variant, batches, Protocol(), torch.device("cpu"))


def test_the_quicker_of_two_is_told_by_their_ratio(clock: Clock) -> None:
    found = compared(Takes(clock, 0.004, like=1), Takes(clock, 0.001, like=1), 1.0, 2.0)
    assert (found.speedup, found.low, found.high) == pytest.approx((4, 4, 4))
    assert (found.p50, found.p95, found.p99) == pytest.approx((1, 1, 1))  # milliseconds


def test_the_order_favours_neither(clock: Clock) -> None:
    found = compared(Takes(clock, 0.001), Takes(clock, 0.001), 1.0, 2.0, 3.0)
    assert (found.speedup, found.low, found.high) == pytest.approx((1, 1, 1))


def test_each_net_is_given_what_it_takes_and_both_as_often(clock: Clock) -> None:
    first, second = Takes(clock, 0.001), Takes(clock, 0.001)
    speed.compare(first, second, [(torch.tensor(0.0), torch.tensor(1.0))], Protocol(), torch.device("cpu"))
    assert len(first.seen) == len(second.seen) > 40
    assert set(first.seen) == {0.0} and set(second.seen) == {1.0}


class Interrupted(Takes):
    """Every other pass somebody else has the core for ten times as long."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = super().forward(inputs)
        if len(self.seen) % 2:
            self.clock.interrupted += 1
            self.clock.away += 10 * self.seconds
            self.clock.now += 10 * self.seconds
        return outputs


def test_who_else_had_the_core_does_not_count(clock: Clock) -> None:
    found = compared(Takes(clock, 0.001, like=1), Interrupted(clock, 0.001, like=1), 1.0, 2.0)
    assert found.low == pytest.approx(found.speedup) == pytest.approx(found.high) == pytest.approx(1.0)
    assert found.p50 == pytest.approx(found.p99) == pytest.approx(1.0)


def test_waiting_counts_where_nobody_took_the_core(clock: Clock) -> None:
    class Waits(Takes):
        def forward(self, inputs: Tensor) -> Tensor:
            self.clock.away += self.seconds  # for a server, or a device: its own time, and none of its thread's
            return super().forward(inputs)

    assert compared(Takes(clock, 0.001, like=1), Waits(clock, 0.002, like=1), 1.0, 2.0).speedup == pytest.approx(0.5)
