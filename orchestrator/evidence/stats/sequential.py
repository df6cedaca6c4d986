"""Looks at a study while seeds are added: a p that holds however often it is looked at.

Who looks at p after every few seeds and stops when it is small finds something in far more than 5 % of worlds in which there
is nothing. Here the error is spent as seeds come in: up to n of at most N seeds, alpha n / N of it (Kim and DeMets 1987,
"Design and Analysis of Group Sequential Tests Based on the Type I Error Spending Rate Function"; the spending functions of
Lan and DeMets 1983), so that neither the number of looks nor their places matter, if they do not depend on what is seen.

A claim's p over all looks so far (`sequential_p`) is the least alpha at which one of them had crossed its bound (Liu and
Anderson 2008, "On Adaptive Extensions of Group Sequential Trials for Clinical Investigations"). In a world without effect it
is at most alpha with probability alpha at most, whenever it is asked for, so it stands in a family as any other p does:
`paired.holm` over the claims of a grid, each decided when its corrected p is at most 5 %, open claims beside decided ones.

The looks of one study are taken as those of a Brownian motion at the times n / N. Test pictures that all seeds share make
them resemble each other more than that, which makes the bounds cautious.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

NODES: Final = 101
"""Of the numerical integration between two looks: more change no bound by 1e-6."""
SMALLEST: Final = 1e-9
"""No p over looks is told from a smaller one."""
LARGEST: Final = 0.999
"""Nor from a larger one, but for 1."""
KNOTS: Final = 50
"""Levels up to 10 %, and beyond, for which bounds are computed; between them they are interpolated, to 1e-6 of a p."""
HALVINGS: Final = 50
"""Of the range in which a bound is searched."""

Floats = NDArray[np.float64]


def sequential_p(p_values: Sequence[float], sizes: Sequence[int], most: int) -> float:
    """A claim's p over all looks at it so far.

    p_values: two-sided, each as of a study of so many seeds that nobody had looked at before, of the first looks. sizes:
    seeds of all looks that are planned, in their order, up to `most`. Raises ValueError where there is no look, the sizes
    do not rise, or a p is not within 0 and 1.
    """
    if not p_values or len(p_values) > len(sizes) or list(sizes) != sorted({n for n in sizes if 0 < n <= most}):
        raise ValueError(f"looks are at different numbers of seeds, up to {most}; there are {list(sizes)}")
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p-value lies within 0 and 1")
    curves = _curves(tuple(sizes), most)
    return min(_crossed_at(p, limits) for p, limits in zip(p_values, curves, strict=False))


def bounds(sizes: Sequence[int], most: int, alpha: float) -> list[float]:
    """The p which a look has to be at or below, for each look, in the order of their numbers of seeds."""
    return [float(limits[0]) for limits in _bounds(sizes, most, np.array([alpha]))]


def _levels() -> Floats:
    few, many = np.geomspace(SMALLEST, 0.1, KNOTS), np.linspace(0.1, LARGEST, KNOTS)
    return np.concatenate([few, many[1:]])


@lru_cache(maxsize=64)
def _curves(sizes: tuple[int, ...], most: int) -> tuple[Floats, ...]:
    """(knots,) for each look: its bounds at the levels of `_levels`."""
    return tuple(_bounds(sizes, most, _levels()))


def _crossed_at(p: float, limits: Floats) -> float:
    """The alpha at which p is the bound."""
    from scipy.interpolate import CubicSpline

    if p <= limits[0]:
        return SMALLEST
    if p > limits[-1]:
        return 1.0
    return float(min(1.0, np.exp(CubicSpline(np.log(limits), np.log(_levels()))(np.log(p)))))


def _bounds(sizes: Sequence[int], most: int, alphas: Floats) -> list[Floats]:
    """(alphas,) for each look.

    By the recursion of Armitage, McPherson and Rowe (1969) over the part of the motion that has crossed no bound yet.
    """
    from scipy.special import ndtr

    found: list[Floats] = []
    points, weights = np.zeros((alphas.size, 1)), np.ones((alphas.size, 1))  # the motion is at 0, at the time 0
    nodes, of_nodes = np.polynomial.legendre.leggauss(NODES)
    before = 0.0
    for time in np.asarray(sizes, dtype=np.float64) / most:
        step, share = np.sqrt(time - before), alphas * (time - before)
        low, high = np.zeros(alphas.size), np.full(alphas.size, 12.0 * np.sqrt(time))
        for _ in range(HALVINGS):
            bound = (low + high) / 2
            at = bound[:, None]
            beyond = (weights * (ndtr((points - at) / step) + ndtr(-(points + at) / step))).sum(axis=1)
            low, high = np.where(beyond > share, bound, low), np.where(beyond > share, high, bound)
        found.append(2 * ndtr(-high / np.sqrt(time)))
        there = high[:, None] * nodes
        motion = np.exp(-0.5 * ((there[:, :, None] - points[:, None, :]) / step) ** 2) / np.sqrt(2 * np.pi)
        weights = (motion @ weights[:, :, None])[:, :, 0] / step * of_nodes * high[:, None]
        points, before = there, time
    return found
