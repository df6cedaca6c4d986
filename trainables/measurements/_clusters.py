"""Examples that a net sees alike, though nobody has named what they share."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.splits import stream
from trainables.measurements._neighbours import unit_length
from trainables.measurements._slices import Cut

MOST: Final = 8
"""Clusters of the examples that are answered alike."""
IN_EACH: Final = 60
"""Examples on average, at least: twice as many as a slice has to have."""
SAMPLE: Final = 2_000
"""Examples that the centres of clusters are looked for among."""
_ROUNDS: Final = 100


def k_means(points: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Centres, (count, d), of points (n, d) with n >= count. Lloyd's algorithm (1982) from the start of k-means++.

    Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding" (SODA 2007).
    """
    centres = points[rng.integers(len(points), size=1)]
    while len(centres) < count:
        squares = np.maximum(_squares(points, centres).min(axis=1), 0).astype(np.float64)
        total = squares.sum()
        chosen = rng.choice(len(points), p=squares / total) if total > 0 else rng.integers(len(points))
        centres = np.concatenate([centres, points[chosen][None]])
    codes = nearest(points, centres)
    for _ in range(_ROUNDS):
        inside = [points[codes == place] for place in range(count)]
        centres = np.stack([each.mean(axis=0) if len(each) else old for each, old in zip(inside, centres, strict=True)])
        before, codes = codes, nearest(points, centres)
        if (before == codes).all():
            break
    return centres


def nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    """(n,): which centre is nearest to each point."""
    found: NDArray[np.intp] = _squares(points, centres).argmin(axis=1)
    return found


def _squares(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, k): squared distances."""
    lengths = np.einsum("nd,nd->n", points, points)[:, None] + np.einsum("kd,kd->k", centres, centres)
    found: NDArray[np.float32] = lengths - 2 * points @ centres.T
    return found


def clusters(
    answers: NDArray[np.integer[Any]],
    classes: Sequence[str],
    features: Callable[[NDArray[np.int64]], NDArray[Any]],
    seed: int,
) -> Cut:
    """Cut the examples of each answer into clusters of their features: k-means of unit vectors, with a fixed seed.

    True classes are not looked at, so that a cluster may be tested like any slice. Clusters of what a net has learnt find
    parts of a class that nobody has named: Sohoni et al., "No Subgroup Left Behind" (NeurIPS 2020), within true classes, and
    Eyuboglu et al., "Domino: Discovering Systematic Errors with Cross-Modal Embeddings" (ICLR 2022).

    answers: (n,), indices of classes. features: (m, d) of m examples at these places, `SAMPLE` at most.
    """
    codes, names = np.full(len(answers), -1, dtype=np.intp), list[str]()
    for answer in np.unique(answers).tolist():
        places = np.flatnonzero(answers == answer).astype(np.int64)
        found = _clustered(places, features, stream(f"clusters {answer}", seed))
        codes[places] = found + len(names)
        parts, name = int(found.max()) + 1, f"answered {classes[answer]}"
        names += [f"{name}, cluster {part} of {parts}" for part in range(1, parts + 1)] if parts > 1 else [name]
    return Cut(codes, tuple(names))


def _clustered(
    places: NDArray[np.int64], features: Callable[[NDArray[np.int64]], NDArray[Any]], rng: np.random.Generator
) -> NDArray[np.intp]:
    """The cluster of each, from 0; none of them is empty."""
    count = min(MOST, len(places) // IN_EACH)
    if count < 2:
        return np.zeros(len(places), dtype=np.intp)
    sample = places if len(places) <= SAMPLE else np.sort(rng.choice(places, SAMPLE, replace=False))
    points = unit_length(features(sample))
    centres = k_means(points, count, rng)
    if sample is places:
        found = nearest(points, centres)
    else:
        parts = (places[start : start + SAMPLE] for start in range(0, len(places), SAMPLE))
        found = np.concatenate([nearest(unit_length(features(part)), centres) for part in parts])
    return np.unique(found, return_inverse=True)[1]
