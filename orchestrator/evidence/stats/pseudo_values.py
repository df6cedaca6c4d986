"""What each test picture contributes to a measure that is no mean over pictures: jackknife pseudo-values.

The pseudo-value of picture j is m f - (m - 1) f_j, with f_j the measure without it (Tukey 1958; of diagnostic studies
Dorfman, Berbaum and Metz 1992). Their mean is moved to f, so that seeds keep the value that the tables have. Of accuracy
they are 1 where the picture is classified right and 0 where it is not.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
"""(..., true class, predicted class)."""
Measured = Callable[[Counts], NDArray[np.float64]]
"""Of counts, the measure: (...,)."""

_AT_ONCE: Final = 4_000_000
"""Numbers of all tables of counts that are measured together."""


def pseudo_values(
    measure: Measured, targets: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.float64]:
    """(pictures,), float64, in their order. targets, predicted: (pictures,), each below `classes`.

    What is left without a picture differs by the place of its true and its predicted class alone, so that each place that
    occurs is measured once. Raises ValueError below two pictures.
    """
    m = targets.size
    if m < 2:
        raise ValueError("pseudo-values need two pictures")
    counts = np.zeros((classes, classes))
    np.add.at(counts, (targets, predicted), 1.0)
    places, place_of = np.unique(targets.astype(np.int64) * classes + predicted, return_inverse=True)
    without = np.empty(len(places))
    step = max(1, _AT_ONCE // classes**2)
    for start in range(0, len(places), step):
        some = places[start : start + step]
        tables = np.repeat(counts[None], len(some), axis=0)
        tables[np.arange(len(some)), some // classes, some % classes] -= 1
        without[start : start + step] = measure(tables)
    whole = float(measure(counts))
    found = m * whole - (m - 1) * without[place_of]
    moved: NDArray[np.float64] = found - found.mean() + whole
    return moved


def _ratio(above: Counts, below: Counts) -> Counts:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _diagonal(counts: Counts) -> Counts:
    return np.diagonal(counts, axis1=-2, axis2=-1).copy()


def _macro(of_class: Counts, support: Counts) -> NDArray[np.float64]:
    """A class that the split lacks is left out, as in `trials`."""
    there = support > 0
    return np.asarray((of_class * there).sum(axis=-1) / there.sum(axis=-1))


def accuracy(counts: Counts) -> NDArray[np.float64]:
    return np.asarray(_diagonal(counts).sum(axis=-1) / counts.sum(axis=(-2, -1)))


def recall_macro(counts: Counts) -> NDArray[np.float64]:
    support = counts.sum(axis=-1)
    return _macro(_ratio(_diagonal(counts), support), support)


def precision_macro(counts: Counts) -> NDArray[np.float64]:
    return _macro(_ratio(_diagonal(counts), counts.sum(axis=-2)), counts.sum(axis=-1))


def _f1(counts: Counts) -> Counts:
    return _ratio(2 * _diagonal(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def f1_macro(counts: Counts) -> NDArray[np.float64]:
    return _macro(_f1(counts), counts.sum(axis=-1))


def f1_weighted(counts: Counts) -> NDArray[np.float64]:
    support = counts.sum(axis=-1)
    return np.asarray((_f1(counts) * support).sum(axis=-1) / support.sum(axis=-1))


def cohen_kappa(counts: Counts) -> NDArray[np.float64]:
    """Cohen (1960): agreement beyond that of chance; 0 where chance alone agrees always."""
    total = counts.sum(axis=(-2, -1))
    chance = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
    return _ratio(accuracy(counts) - chance, 1 - chance)


def matthews(counts: Counts) -> NDArray[np.float64]:
    """Gorodkin's R_K (2004), of two classes Matthews' coefficient; 0 where one side has a single class."""
    total = counts.sum(axis=(-2, -1))
    true, said = counts.sum(axis=-1), counts.sum(axis=-2)
    covariance = _diagonal(counts).sum(axis=-1) * total - (true * said).sum(axis=-1)
    spread = np.sqrt((total**2 - (said**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1)))
    return _ratio(covariance, spread)


def recall_of(counts: Counts, index: int) -> NDArray[np.float64]:
    """Of one class, and so are the next two; 0 where there is nothing below the line, as in `classes`."""
    return _ratio(counts[..., index, index], counts[..., index, :].sum(axis=-1))


def precision_of(counts: Counts, index: int) -> NDArray[np.float64]:
    return _ratio(counts[..., index, index], counts[..., :, index].sum(axis=-1))


def f1_of(counts: Counts, index: int) -> NDArray[np.float64]:
    return _ratio(
        2 * counts[..., index, index], counts[..., index, :].sum(axis=-1) + counts[..., :, index].sum(axis=-1)
    )


OF_CLASS: Final[Mapping[str, Callable[[Counts, int], NDArray[np.float64]]]] = {
    "recall": recall_of,
    "precision": precision_of,
    "f1": f1_of,
}
"""Of one class, by the names that `classes` has for them."""

BY_NAME: Final[Mapping[str, Measured]] = {
    "accuracy": accuracy,
    "balanced_accuracy": recall_macro,
    "recall_macro": recall_macro,
    "precision_macro": precision_macro,
    "f1_macro": f1_macro,
    "f1_weighted": f1_weighted,
    "kappa": cohen_kappa,
    "matthews": matthews,
}
"""Measures that predicted classes alone give, by the names that scores have."""
