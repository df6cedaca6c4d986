"""Slices that nobody named: examples cut by a number that each has, and the one on which a classifier does worst."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.measurements._groups import MIN_EXAMPLES

PARTS: Final = 5
"""Quintiles."""
BATCH: Final = 1_024
"""Examples that are looked at together."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slice:
    """Examples whose number lies within a range."""

    number: str
    """Which number was cut: `brightness`."""
    part: int
    """1 is the one of the lowest numbers."""
    parts: int
    low: float
    high: float
    """The lowest and the highest number in it."""
    n: int
    accuracy: float
    rest_accuracy: float | None
    """Of all other examples; None where there are none."""
    p: float | None
    """Of so low an accuracy if the slice were like the rest (one-sided, hypergeometric); None where it is not tested."""
    p_corrected: float | None
    """After Holm, over all slices that are tested."""


def brightness(images: NDArray[np.uint8]) -> Numbers:
    """Mean value of each image, 0 to 1. images: (n, C, H, W)."""
    return _each(images, lambda batch: batch.reshape(len(batch), -1).mean(axis=1))


def contrast(images: NDArray[np.uint8]) -> Numbers:
    """Standard deviation of the pixels of each image, each the mean of its channels, 0 to 0.5. images: (n, C, H, W)."""
    return _each(images, lambda batch: batch.mean(axis=1).reshape(len(batch), -1).std(axis=1))


def confidence(probabilities: NDArray[Any]) -> Numbers:
    """Largest probability of each example. probabilities: (n, classes)."""
    return np.asarray(np.max(probabilities, axis=1), dtype=np.float64)


def distance_to_training(features: NDArray[Any], training: NDArray[Any]) -> Numbers:
    """Euclidean distance of each example to the nearest of the training split. Features: (n, d) and (m, d).

    Raises ValueError where there is none.
    """
    if not len(training):
        raise ValueError("there is no training example to be near to")
    centre = np.mean(training, axis=0, dtype=np.float64)  # numbers far from 0 would be rounded away when squared
    examples, known = (np.asarray(each - centre, dtype=np.float32) for each in (features, training))
    half_squares = np.einsum("md,md->m", known, known) / 2
    found = np.empty(len(examples))
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        # the product tells which is nearest; of near ones it rounds the distance away, which is computed by itself
        nearest = (half_squares - batch @ known.T).argmin(axis=1)
        found[start : start + BATCH] = np.linalg.norm(batch.astype(np.float64) - known[nearest], axis=1)
    return found


def _each(images: NDArray[np.uint8], of: Callable[[Numbers], Numbers]) -> Numbers:
    """Batch by batch, since all images as floats would be eight times as large. Raises ValueError."""
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(f"images are uint8 (n, C, H, W); these are {images.dtype} {images.shape}")
    batches = (images[start : start + BATCH] / 255.0 for start in range(0, len(images), BATCH))
    return np.concatenate([np.empty(0), *(of(batch) for batch in batches)])


def cut(values: NDArray[Any], parts: int = PARTS) -> NDArray[np.intp]:
    """The part of each example, from 0: as many examples in each as equal numbers allow, which are never parted.

    So a constant number gives one part. values: (n,). Raises ValueError where one is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is not finite belongs to no slice")
    if not len(numbers):
        return np.empty(0, dtype=np.intp)
    edges = np.quantile(numbers, np.arange(1, parts) / parts, method="inverted_cdf")
    found = np.searchsorted(np.unique(edges), numbers, side="left")
    return np.unique(found, return_inverse=True)[1]  # above the last edge there may be nothing


def slices(correct: NDArray[np.bool_], numbers: Mapping[str, NDArray[Any]], parts: int = PARTS) -> tuple[Slice, ...]:
    """Cut the examples by each number, and test each slice against the rest.

    correct: (n,), whether each was answered right. numbers: by name, each (n,). A slice below `MIN_EXAMPLES`, or of all
    examples, is not tested. Raises ValueError where the lengths differ or a number is not finite.
    """
    if any(len(values) != len(correct) for values in numbers.values()):
        raise ValueError(f"each of the {len(correct)} examples has one of each number")
    found = [each for name, values in numbers.items() for each in _cut_by(name, np.asarray(values), correct, parts)]
    corrected = iter(_holm([each.p for each in found if each.p is not None]))
    return tuple(each if each.p is None else replace(each, p_corrected=next(corrected)) for each in found)


def worst_slice(slices: Iterable[Slice]) -> Slice | None:
    """The slice of the lowest accuracy among those that were tested; of equal ones that of the smallest p."""
    tested = [(each.accuracy, each.p, place, each) for place, each in enumerate(slices) if each.p is not None]
    return min(tested)[-1] if tested else None


def _cut_by(name: str, values: NDArray[Any], correct: NDArray[np.bool_], parts: int) -> Iterator[Slice]:
    codes = cut(values, parts)
    for part in range(codes.max(initial=-1) + 1):
        inside = codes == part
        n, right, everything, all_right = (
            int(each) for each in (inside.sum(), correct[inside].sum(), len(correct), correct.sum())
        )
        rest = everything - n
        yield Slice(
            number=name,
            part=part + 1,
            parts=int(codes.max()) + 1,
            low=float(values[inside].min()),
            high=float(values[inside].max()),
            n=n,
            accuracy=right / n,
            rest_accuracy=(all_right - right) / rest if rest else None,
            p=_p_of_so_few(right, n, all_right, everything) if n >= MIN_EXAMPLES and rest else None,
            p_corrected=None,
        )


def _p_of_so_few(right: int, n: int, all_right: int, everything: int) -> float:
    """How often n examples drawn from all would have at most so many right answers: Fisher's exact test, one-sided."""
    from scipy.stats import hypergeom  # slow to import

    return min(1.0, float(hypergeom.cdf(right, everything, all_right, n)))  # it may round to above 1


def _holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected as Holm does ("A Simple Sequentially Rejective Multiple Test Procedure", 1979)."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return [float(each) for each in corrected]
