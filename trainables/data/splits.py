"""Which examples are trained on, selected on and tested on: seeded, stratified by class, disjoint by content and group."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.grouped_split import joined, shared_out
from trainables.dataset import Examples
from trainables.errors import DataError
from trainables.outline import Outline
from trainables.protocol import Splits
from trainables.streamed import StreamedExamples

Indices = NDArray[np.int64]

Divisible = Examples | StreamedExamples | Outline
"""Whatever tells targets, groups and the official test split of examples."""

_TRAIN: Final = 0
_VAL: Final = 1
_TEST: Final = 2


@dataclass(frozen=True, slots=True)
class Split:
    """Three disjoint parts of the examples: ascending indices, int64."""

    train: Indices
    val: Indices
    test: Indices
    dropped: int
    """Examples left out because the official test split has the same content, or one of their group."""


@dataclass(frozen=True, slots=True)
class _Contents:
    """The distinct contents of the pool, one entry each. Examples with equal content always go the same way."""

    class_of: Indices
    """Counted from 0 over the classes that are there; of the first example, should labels disagree."""
    size: Indices
    """Examples with this content."""
    members: Indices
    """For each example of the pool, its content."""


def split(
    examples: Divisible,
    hashes: NDArray[np.uint64],
    task_has_classes: bool,
    splits: Splits,
    seed: int,
) -> Split:
    """Divide the examples.

    An official test split is the test split as it is; what it shares with the rest is dropped from the rest, and the
    validation share is taken of what is left. Without one, both shares are taken of all examples. In each class the
    shares hold to within half an example where no two examples are equal; but a class with three different contents
    has at least one example in each split, one with two has them in training and in one of the others, and a single
    one is trained on. Groups stay whole, and the shares are met as nearly as they allow. With `splits.test_seed` the
    test split is drawn from that, and from `seed` only what is left of the rest.

    hashes: (examples,), equal where the inputs are. Raises DataError when a split would stay empty.
    """
    if splits.test_seed is not None and not examples.official_test.any():
        return _tested_apart(examples, hashes, task_has_classes, splits, seed)
    grouped = examples.groups is not None
    alike = hashes if examples.groups is None else joined(hashes, examples.groups)
    official = np.flatnonzero(examples.official_test)
    pool = np.flatnonzero(~examples.official_test)
    pooled = len(pool)
    if len(official):
        pool = pool[~np.isin(alike[pool], alike[official])]
    contents = _contents(alike[pool], examples.targets[pool] if task_has_classes else None)
    test_share = 0.0 if len(official) else splits.test
    if grouped and len(pool):
        labels = examples.targets[pool] if task_has_classes else np.zeros(len(pool))
        parts = _assigned_groups(contents.members, labels, splits.validation, test_share, seed)
    else:
        parts = _assigned(contents, splits.validation, test_share, seed)[contents.members]
    result = Split(
        train=pool[parts == _TRAIN],
        val=pool[parts == _VAL],
        test=official if len(official) else pool[parts == _TEST],
        dropped=pooled - len(pool),
    )
    _refuse_an_empty_part(result, len(contents.size), task_has_classes, grouped)
    return result


def _tested_apart(
    examples: Divisible,
    hashes: NDArray[np.uint64],
    task_has_classes: bool,
    splits: Splits,
    seed: int,
) -> Split:
    """A test split that is the same whatever the seed; the seed divides the rest, of which each part keeps its size."""
    own = Splits(validation=splits.validation, test=splits.test)
    fixed = split(examples, hashes, task_has_classes, own, splits.test_seed or 0).test
    tested = np.zeros(len(examples.official_test), dtype=np.bool_)
    tested[fixed] = True
    rest = Splits(validation=splits.validation / (1 - splits.test))
    return split(replace(examples, official_test=tested), hashes, task_has_classes, rest, seed)


def _contents(hashes: NDArray[np.uint64] | Indices, labels: NDArray[np.generic] | None) -> _Contents:
    _, first, members, size = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    if labels is None:
        class_of = np.zeros(len(first), dtype=np.int64)
    else:
        class_of = np.unique(labels[first], return_inverse=True)[1].astype(np.int64)
    return _Contents(class_of, size.astype(np.int64), members.astype(np.int64))


def _assigned(contents: _Contents, val_share: float, test_share: float, seed: int) -> NDArray[np.int8]:
    """The part of each content: in each class, shuffled, the first ones are tested on, the next validated on."""
    class_of, size = contents.class_of, contents.size
    distinct = np.bincount(class_of)
    examples = np.bincount(class_of, weights=size)
    test_end = np.rint(examples * test_share)
    val_end = test_end + np.rint(examples * val_share)

    smallest = np.maximum(1, np.minimum(test_end, val_end - test_end) if test_share else val_end)
    order = _shuffled(contents, smallest[class_of], seed)
    ordered_class, ordered_size = class_of[order], size[order]
    starts = np.cumsum(distinct) - distinct
    rank = np.arange(len(order)) - starts[ordered_class]
    before = np.cumsum(ordered_size) - ordered_size
    middle = before - before[starts][ordered_class] + ordered_size / 2

    def contents_up_to(end: NDArray[np.float64]) -> Indices:
        return np.bincount(ordered_class[middle < end[ordered_class]], minlength=len(distinct))

    wanted_test, wanted_both = contents_up_to(test_end), contents_up_to(val_end)
    test_count = _test_counts(wanted_test, distinct) if test_share else np.zeros_like(distinct)
    val_stop = _val_stops(wanted_both - wanted_test, test_count, distinct)
    parts = np.empty(len(order), dtype=np.int8)
    parts[order] = np.where(
        rank < test_count[ordered_class], _TEST, np.where(rank < val_stop[ordered_class], _VAL, _TRAIN)
    )
    return parts


def _shuffled(contents: _Contents, smallest: NDArray[np.float64], seed: int) -> Indices:
    """By class, at random within one; contents too large for the smallest part come last, where training is."""
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(len(contents.size))
    too_large = np.where(contents.size > smallest, contents.size, 0)
    return np.lexsort((shuffled, too_large, contents.class_of)).astype(np.int64)


def _test_counts(wanted: Indices, distinct: Indices) -> Indices:
    """Contents of each class to test on. Of the classes with two, every other one has its second validated on."""
    pairs = distinct == 2
    alternating = (np.cumsum(pairs) % 2).astype(np.int64)
    return np.where(pairs, alternating, np.clip(wanted, np.minimum(1, distinct - 1), np.maximum(0, distinct - 2)))


def _val_stops(wanted: Indices, test_count: Indices, distinct: Indices) -> Indices:
    """Where validation ends in each class, whose first contents are tested on; one is always left to train on."""
    return np.clip(test_count + np.maximum(1, wanted), test_count, np.maximum(test_count, distinct - 1))


def _assigned_groups(
    members: Indices, labels: NDArray[np.generic], val_share: float, test_share: float, seed: int
) -> NDArray[np.int8]:
    """The part of each example of the pool, whose group is `members`."""
    shares = np.array([1 - val_share - test_share, val_share, test_share])
    class_of = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    generator = np.random.Generator(np.random.PCG64(seed))
    return shared_out(members, class_of, shares, generator)[members].astype(np.int8)


def _refuse_an_empty_part(result: Split, distinct: int, task_has_classes: bool, grouped: bool) -> None:
    parts = {"training": result.train, "validation": result.val, "test": result.test}
    empty = [name for name, indices in parts.items() if not len(indices)]
    if not empty:
        return
    dropped = f" ({result.dropped} are left out because the test split has the same content)" if result.dropped else ""
    of_each = "of each class" if task_has_classes else "in all"
    things, different = ("groups", "groups") if grouped else ("examples", "different ones")
    raise DataError(
        f"too few {things}: {distinct} {different}{dropped} leave the {' and '.join(empty)} split empty; "
        f"add {things}, so that there are at least three {different} {of_each}"
    )
