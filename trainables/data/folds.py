"""Which fold of a cross-validation each example is tested in."""

import numpy as np
from numpy.typing import NDArray

from trainables.data.grouped_split import shared_out
from trainables.data.streams import stream


def in_fold(
    contents: NDArray[np.int64], class_of: NDArray[np.int64], folds: int, seed: int, grouped: bool
) -> NDArray[np.bool_]:
    """Whether each example is in the fold that the trial of this seed tests on: number `seed` modulo `folds`.

    Seeds 0 to folds - 1 test on every example once; the next ones do so with other folds. In each class the folds differ
    by one content at most, or where contents are groups of several classes by as little as they allow.
    contents: (examples,), numbered from 0; equal ones go the same way. class_of: (examples,), numbered from 0.
    """
    repeat, fold = divmod(seed, folds)
    generator = stream("folds", repeat)
    if grouped:
        shares = np.full(folds, 1 / folds)
        return np.asarray(shared_out(contents, class_of, shares, generator)[contents] == fold)
    _, first = np.unique(contents, return_index=True)
    shuffled = generator.permutation(len(first))
    order = np.lexsort((shuffled, class_of[first]))
    fold_of = np.empty(len(first), dtype=np.int64)
    # dealt out class after class without starting anew, so that the folds are of one size as a whole, too
    fold_of[order] = np.arange(len(order)) % folds
    return np.asarray(fold_of[contents] == fold)
