"""Slices that nobody named: examples cut by what is known of each but its class, and the one on which a net does worst."""

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
class Cut:
    """What examples are cut into."""

    codes: NDArray[np.intp]
    """(n,): the part of each example, -1 where it is in none."""
    names: tuple[str, ...]
    """Of the parts."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a cut."""

    by: str
    """Of which cut: `brightness`."""
    part: str
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


def quintiles(values: NDArray[Any], parts: int = PARTS) -> Cut:
    """Cut by a number; an example whose number is not finite is in no part. Names tell the lowest and the highest number."""
    numbers = np.asarray(values, dtype=np.float64)
    there = np.isfinite(numbers)
    codes = np.full(len(numbers), -1, dtype=np.intp)
    codes[there] = cut(numbers[there], parts)
    count = int(codes.max(initial=-1)) + 1
    ranges = ((numbers[codes == part].min(), numbers[codes == part].max()) for part in range(count))
    return Cut(
        codes, tuple(f"{part} of {count}: {low:.3g} to {high:.3g}" for part, (low, high) in enumerate(ranges, 1))
    )


def slices(correct: NDArray[np.bool_], cuts: Mapping[str, Cut]) -> tuple[Slice, ...]:
    """Test each part of each cut against the rest.

    correct: (n,), whether each was answered right. cuts: by name, each of all examples, made without a look at the true
    classes. A slice below `MIN_EXAMPLES`, or of all examples, is not tested. Raises ValueError where the lengths differ.
    """
    if any(len(each.codes) != len(correct) for each in cuts.values()):
        raise ValueError(f"each of the {len(correct)} examples has its part of each cut")
    found = [each for name, of in cuts.items() for each in _cut_by(name, of, correct)]
    corrected = iter(_holm([each.p for each in found if each.p is not None]))
    return tuple(each if each.p is None else replace(each, p_corrected=next(corrected)) for each in found)


def worst_slice(slices: Iterable[Slice]) -> Slice | None:
    """The slice of the lowest accuracy among those that were tested; of equal ones that of the smallest p."""
    tested = [(each.accuracy, each.p, place, each) for place, each in enumerate(slices) if each.p is not None]
    return min(tested)[-1] if tested else None


def _cut_by(by: str, of: Cut, correct: NDArray[np.bool_]) -> Iterator[Slice]:
    everything, all_right = len(correct), int(correct.sum())
    for part, name in enumerate(of.names):
        inside = of.codes == part
        n, right = int(inside.sum()), int(correct[inside].sum())
        rest = everything - n
        yield Slice(
            by=by,
            part=name,
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
