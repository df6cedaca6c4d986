"""Looks at a study while seeds are added: a p that holds however often it is looked at.

Who looks at p after every few seeds and stops when it is small finds something in far more than 5 % of worlds in which there
is nothing. Here the error is spent as seeds come in: up to n of at most N seeds, alpha n / N of it (Kim and DeMets 1987,
"Design and Analysis of Group Sequential Tests Based on the Type I Error Spending Rate Function"; the spending functions of
Lan and DeMets 1983), so that neither the number of looks nor their places have to be known before, `most` alone has.

A claim's p over all looks so far (`sequential_p`) is the least alpha at which one of them had crossed its bound (Liu and
Anderson 2008, "On Adaptive Extensions of Group Sequential Trials for Clinical Investigations"). In a world without effect it
is at most alpha with probability alpha at most, whenever it is asked for, so it stands in a family as any other p does:
`paired.holm` over the claims of a grid, each decided when its corrected p is at most 5 %, open claims beside decided ones.

The looks of one study are taken as those of a Brownian motion at the times n / N. Test pictures that all seeds share make
them resemble each other more than that, which makes the bounds cautious.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.grid.claims import ALPHA, min_seeds

STEP: Final = 1.3
"""Each look has so many times the seeds of the one before, at least two more."""
NODES: Final = 101
"""Of the numerical integration between two looks: more change no bound by 1e-6."""
SMALLEST: Final = 1e-9
"""No p over looks is told from a smaller one."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a claim's test said of the first seeds."""

    seeds: int
    p: float
    """Two-sided, as of a study of so many seeds that nobody had looked at before."""


def planned_looks(most: int, claims: int = 1) -> tuple[int, ...]:
    """Numbers of seeds after which to look. claims: of the family.

    The first is the least at which seeds that all agree may decide one of them: that of `min_seeds` for the share of the
    error which is spent by then. Fewer seeds can show nothing. The last is `most`.
    """
    first = next((n for n in range(2, most) if min_seeds(ceil(claims * most / n)) <= n), most)
    looks = [first]
    while looks[-1] < most:
        looks.append(min(most, max(looks[-1] + 2, ceil(looks[-1] * STEP))))
    return tuple(looks)


def next_look(seeds: int, most: int, claims: int = 1) -> int | None:
    """How many seeds to have before the next look, from so many; None where the study has ended undecided."""
    return next((n for n in planned_looks(most, claims) if n > seeds), None)


def sequential_p(looks: Sequence[Look], most: int) -> float:
    """A claim's p over all looks at it, of which each is at another number of seeds; those beyond `most` count for nothing.

    Raises ValueError where there is none to count, two are at the same number, or a p is not within 0 and 1.
    """
    ordered = sorted((look for look in looks if look.seeds <= most), key=lambda look: look.seeds)
    sizes = [look.seeds for look in ordered]
    if not ordered or len(set(sizes)) < len(sizes):
        raise ValueError(f"looks are at different numbers of seeds, up to {most}; there are {sizes}")
    if not all(0 <= look.p <= 1 for look in ordered):
        raise ValueError("a p-value lies within 0 and 1")
    return min(_crossed_at(sizes[: place + 1], look.p, most) for place, look in enumerate(ordered))


def decided(family: Sequence[float]) -> list[bool]:
    """Which claims need no more seeds. family: `sequential_p` of each, 1 of those that cannot be tested yet."""
    from orchestrator.evidence.stats.paired import holm

    return [bool(corrected <= ALPHA) for corrected in holm(family)]


def _crossed_at(sizes: Sequence[int], p: float, most: int) -> float:
    """The alpha at which p is the bound of the last of these looks."""
    low, high = np.log(SMALLEST), 0.0
    if p <= bounds(sizes, most, SMALLEST)[-1]:
        return SMALLEST
    if p > bounds(sizes, most, 0.999)[-1]:
        return 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if p <= bounds(sizes, most, float(np.exp(middle)))[-1] else (middle, high)
    return float(min(1.0, np.exp(high)))


def bounds(sizes: Sequence[int], most: int, alpha: float) -> list[float]:
    """The p which a look has to be at or below, for each look, in the order of their numbers of seeds.

    By the recursion of Armitage, McPherson and Rowe (1969) over the part of the motion that has crossed no bound yet.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    times = np.asarray(sizes, dtype=np.float64) / most
    points, weights = np.zeros(1), np.ones(1)  # the motion is at 0, at the time 0
    found, before, spent = [], 0.0, 0.0
    for time in times:
        step, share = np.sqrt(time - before), alpha * time - spent

        def beyond(
            bound: float,
            points: NDArray[np.float64] = points,
            weights: NDArray[np.float64] = weights,
            step: float = step,
        ) -> float:
            return float(weights @ (norm.sf((bound - points) / step) + norm.sf((bound + points) / step)))

        bound = float(brentq(lambda at: beyond(at) - share, 0.0, 12.0 * np.sqrt(time), xtol=1e-10))  # noqa: B023
        found.append(float(2 * norm.sf(bound / np.sqrt(time))))
        nodes, sizes_of = np.polynomial.legendre.leggauss(NODES)
        there = bound * nodes
        density = norm.pdf((there[:, None] - points) / step) @ weights / step
        points, weights = there, density * sizes_of * bound
        before, spent = time, alpha * time
    return found
