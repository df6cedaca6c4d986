"""How much quicker one net is than another: both timed in turns, in one process, on the same pictures.

The time of a pass depends on the machine's minute more than on the net, so that medians of two nets that were timed apart
say little. What is compared are neighbours: A B B A, then B A A B. Where somebody else had the core during a pass, what
counts of it is the time that it had the core itself: else a pass of a millisecond takes ten. Memory that a pass has freed
is kept for the next one.
"""

import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import torch
from torch import Tensor, nn

from trainables.process_state.memory import freed_memory_kept
from trainables.process_state.precision import autocast
from trainables.protocol import Protocol
from trainables.training.costs import finish, quantile

_WARM_UP: Final = 5
_FEWEST, _MOST = 21, 151
"""Times that both are timed four times."""
_BUDGET: Final = 1.0
"""Seconds after which they are timed no more."""
_LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a variant beside its parent."""

    p50: float
    """Milliseconds of one pass of the variant: the median, and so on."""
    p95: float
    p99: float
    speedup: float
    """Median of the parent's time over the variant's, neighbour by neighbour."""
    low: float
    high: float
    """Between these it lies with 95 % confidence: order statistics, whatever the distribution (Conover 1999, sec. 3.2)."""


def compare(
    parent: nn.Module,
    variant: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    protocol: Protocol,
    device: torch.device,
) -> Speed:
    """Time passes of both over these batches, one after another and again. Each batch is there as either takes it."""
    parent.eval()
    variant.eval()
    times: list[float] = []
    ratios: list[float] = []
    order = cycle(batches)
    with torch.inference_mode(), autocast(protocol, device), freed_memory_kept():
        for _, (theirs, its) in zip(range(_WARM_UP), order, strict=False):
            parent(theirs), variant(its)
        start = time.perf_counter()
        for (theirs, its), (theirs_next, its_next) in zip(order, order, strict=False):
            # of new inputs the first pass is the slowest, so that either net has it once
            before, own = _in_turns(parent, theirs, variant, its, device)
            own_next, before_next = _in_turns(variant, its_next, parent, theirs_next, device)
            times += [*own, *own_next]
            ratios.append((math.prod((*before, *before_next)) / math.prod((*own, *own_next))) ** 0.25)
            enough = len(ratios) >= _FEWEST and time.perf_counter() - start > _BUDGET
            if enough or len(ratios) >= _MOST:
                break
    times.sort()
    ratios.sort()
    low, high = median_ranks(len(ratios))
    return Speed(
        p50=quantile(times, 0.5),
        p95=quantile(times, 0.95),
        p99=quantile(times, 0.99),
        speedup=quantile(ratios, 0.5),
        low=ratios[low],
        high=ratios[high],
    )


def _in_turns(
    first: nn.Module, its: Tensor, second: nn.Module, theirs: Tensor, device: torch.device
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Milliseconds of two passes of each: first, second, second, first."""
    a, b = _milliseconds(first, its, device), _milliseconds(second, theirs, device)
    b_again, a_again = _milliseconds(second, theirs, device), _milliseconds(first, its, device)
    return (a, a_again), (b, b_again)


def median_ranks(count: int) -> tuple[int, int]:
    """Places in `count` sorted values between which their median lies with 95 % confidence; the ends where none do.

    For each value a fair coin says whether it lies below the median: so many or fewer do in at most 2.5 % of cases.
    """
    tail, place = 0.0, 0
    for below in range(count // 2):
        tail += math.comb(count, below) / 2**count
        if tail > (1 - _LEVEL) / 2:
            break
        place = below
    return place, count - 1 - place


def _milliseconds(module: Callable[[Tensor], object], inputs: Tensor, device: torch.device) -> float:
    finish(device)
    switches, own, start = _switches(), time.thread_time(), time.perf_counter()
    module(inputs)
    finish(device)
    passed, own = time.perf_counter() - start, time.thread_time() - own
    return 1000 * (own if device.type == "cpu" and _switches() > switches else passed)


def _switches() -> int:
    """How often this thread has lost its core to another one; 0 where the system does not count that."""
    counting = getattr(resource, "RUSAGE_THREAD", None)
    return 0 if counting is None else resource.getrusage(counting).ru_nivcsw
