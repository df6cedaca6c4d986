"""Jackknife pseudo-values of measures that are made of the order of probabilities: areas under ROC and precision-recall.

As in `pseudo_values`, each is m f - (m - 1) f_j, f_j the measure without picture j, and their mean is moved to f. Of the
area under the ROC they are the components of DeLong, DeLong and Clarke-Pearson (1988), up to terms that vanish with m.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def roc_area_values(positive: NDArray[np.bool_], scores: Floats) -> Floats | None:
    """(pictures,). positive: whether a picture is of the class. scores: greater, the surer it is said to be.

    None where fewer than two are of the class or are not: without one of them there would be no area.
    """
    n, others = int(positive.sum()), int((~positive).sum())
    if min(n, others) < 2:
        return None
    # of each picture, the share of the other kind that it is ordered right with; a tie is half of one
    wins = np.where(positive, _below(scores, scores[~positive]) / others, 1 - _below(scores, scores[positive]) / n)
    area = float(wins[positive].mean())
    of_kind = np.where(positive, n, others)
    without = (of_kind * area - wins) / (of_kind - 1)
    return _pseudo(area, without)


def average_precision_values(positive: NDArray[np.bool_], scores: Floats) -> Floats | None:
    """(pictures,), of precision summed over the steps of recall. None where fewer than two are of the class."""
    n, m = int(positive.sum()), positive.size
    if n < 2 or m < 2:
        return None
    cuts, cut_of = np.unique(-scores, return_inverse=True)
    found = np.bincount(cut_of, weights=positive, minlength=len(cuts))
    hits, shown = np.cumsum(found), np.cumsum(np.bincount(cut_of, minlength=len(cuts))).astype(np.float64)

    def without(of_class: bool) -> Floats:
        """What is left without one picture of each cut."""
        one = float(of_class)
        precision = np.divide(hits - one, shown - 1, out=np.zeros_like(shown), where=shown > 1)
        later = found * precision
        # up to its own cut nothing changes; from there on one fewer is shown
        before = np.cumsum(found * hits / shown) - found * hits / shown
        after = np.cumsum(later[::-1])[::-1] - later
        left: Floats = (before + (found - one) * precision + after) / (n - one)
        return left

    whole = float(found @ (hits / shown)) / n
    return _pseudo(whole, np.where(positive, without(True)[cut_of], without(False)[cut_of]))


def _below(values: Floats, others: Floats) -> Floats:
    """How many of the others each value is greater than; equals count half."""
    ranked = np.sort(others)
    below: Floats = (np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")) / 2
    return below


def _pseudo(whole: float, without: Floats) -> Floats:
    m = without.size
    found = m * whole - (m - 1) * without
    moved: Floats = found - found.mean() + whole
    return moved
