"""What a trial is given to learn from, where it is to be less or worse than the training split: few labels, a long
tail, wrong labels. Validation and test are never touched.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.errors import UnfitOption

Indices = NDArray[np.int64]

HIDDEN: Final = -100
"""The target of an unlabelled example: torch's losses ignore it, should anything learn from it by mistake."""


def few_of_each(
    train: Indices, labels: Indices, names: Sequence[str], per_class: int, generator: np.random.Generator
) -> Indices:
    """`per_class` training examples of each class, at random, in ascending order.

    train: indices into `labels`. Of one stream, fewer are a part of more. Raises UnfitOption naming each class that
    has fewer.
    """
    members = _by_class(train, labels, len(names))
    short = [f"{name} has {len(mine)}" for name, mine in zip(names, members, strict=True) if len(mine) < per_class]
    if short:
        raise UnfitOption(
            "per_class",
            f"per_class is {per_class}, and the training split has fewer of some classes: {', '.join(short)}; "
            f"give a smaller number",
        )
    return np.sort(np.concatenate([generator.permutation(mine)[:per_class] for mine in members]))


def long_tail(
    train: Indices, labels: Indices, names: Sequence[str], factor: float, generator: np.random.Generator
) -> Indices:
    """Of the i-th of C classes the share factor^(i / (C - 1)), at least one, at random, in ascending order.

    Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", section 5.1: of a balanced training
    split, the last class keeps `factor` of what the first one keeps. Numbers are rounded down, as published.
    """
    members = _by_class(train, labels, len(names))
    shares = factor ** (np.arange(len(names)) / max(1, len(names) - 1))
    # so that a product that is a whole number stays one: 4,500 * 0.1 ** 2 is 45.00000000000001
    kept = [max(1, int(np.floor(len(mine) * share + 1e-6))) for mine, share in zip(members, shares, strict=True)]
    return np.sort(
        np.concatenate([generator.permutation(mine)[:count] for mine, count in zip(members, kept, strict=True)])
    )


def wrong_labels(
    targets: Indices, train: Indices, classes: int, share: float, generator: np.random.Generator
) -> Indices:
    """A copy of the targets in which this share of the training examples has another class, each of the others alike."""
    noisy = targets.copy()
    chosen = generator.permutation(train)[: round(share * len(train))]
    noisy[chosen] = (noisy[chosen] + generator.integers(1, classes, len(chosen))) % classes
    return noisy


def _by_class(train: Indices, labels: Indices, classes: int) -> list[Indices]:
    return [train[labels[train] == label] for label in range(classes)]
