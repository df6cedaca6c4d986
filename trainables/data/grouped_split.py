"""Splits in which groups stay together: a person's pictures are trained on or tested on, never both."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def joined(*columns: NDArray[Any]) -> Indices:
    """Numbers from 0, equal for examples that agree in any column, directly or by way of others. (examples,) each."""
    codes = [np.unique(column, return_inverse=True)[1] for column in columns]
    joint = np.arange(len(codes[0]))
    while True:
        before = joint
        for code in codes:
            least = np.full(len(joint), len(joint))
            np.minimum.at(least, code, joint)
            joint = least[code]
        if (joint == before).all():
            return np.unique(joint, return_inverse=True)[1].astype(np.int64)


def shared_out(
    groups: Indices, class_of: Indices, shares: NDArray[np.float64], generator: np.random.Generator
) -> Indices:
    """The part of each group: the parts' shares of every class are met as nearly as whole groups allow.

    Large groups go first, those of one size in a random order, each to the part that lacks most of what it holds; no
    part is left empty while there are groups (a greedy rule, like scikit-learn's StratifiedGroupKFold).
    groups, class_of: (examples,), numbered from 0. shares: (parts,), of which those at 0 stay empty.
    """
    counts = np.zeros((int(groups.max()) + 1, int(class_of.max()) + 1))
    np.add.at(counts, (groups, class_of), 1)
    totals = counts.sum(axis=0)
    weights = np.divide(1.0, totals**2, out=np.zeros_like(totals), where=totals > 0)  # rare classes count as much
    lacking = shares[:, None] * totals
    empty = shares > 0
    order = np.lexsort((generator.permutation(len(counts)), -counts.sum(axis=1)))
    part_of = np.empty(len(counts), dtype=np.int64)
    for place, group in enumerate(order):
        left = len(order) - place
        allowed = empty if empty.sum() >= left else shares > 0
        wanted = np.where(allowed, (lacking * weights) @ counts[group], -np.inf)
        part = int(np.argmax(wanted))
        part_of[group] = part
        lacking[part] -= counts[group]
        empty[part] = False
    return part_of
