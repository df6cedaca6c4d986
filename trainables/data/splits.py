"""Which examples are trained on, selected on and tested on: seeded, stratified by class, disjoint by content and group."""

from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainables.dataset import Examples, Outline, StreamedExamples
from trainables.errors import DataError
from trainables.protocol import Splits

# Splits in which groups stay together: a person's images are trained on or tested on, never both.

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


# Streams of random numbers for what is decided of the data, each of its own purpose.


def stream(purpose: str, seed: int) -> np.random.Generator:
    """The same on every rank and machine; independent of the streams of other purposes and seeds."""
    digest = blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


# Which fold of a cross-validation each example is tested in.


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
    *,
    validation_per_class: int | None = None,
) -> Split:
    """Divide the examples.

    An official test split is the test split as it is; what it shares with the rest is dropped from the rest, and the
    validation share is taken of what is left. Without one, both shares are taken of all examples. In each class the
    shares hold to within half an example where no two examples are equal; but a class with three different contents
    has at least one example in each split, one with two has them in training and in one of the others, and a single
    one is trained on. Groups stay whole, and the shares are met as nearly as they allow. With `splits.test_seed` the
    test split is drawn from that, and from `seed` only what is left of the rest.

    hashes: (examples,), equal where the inputs are. validation_per_class: in place of the validation share, at least so many
    examples of each class that has as many; of groups, as many as make up their share. Raises DataError when a split would
    stay empty.
    """
    if splits.test_seed is not None and not examples.official_test.any():
        return _tested_apart(examples, hashes, task_has_classes, splits, seed, validation_per_class)
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
        parts = _assigned(contents, splits.validation, test_share, seed, validation_per_class)[contents.members]
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
    validation_per_class: int | None,
) -> Split:
    """A test split that is the same whatever the seed; the seed divides the rest, of which each part keeps its size."""
    own = Splits(validation=splits.validation, test=splits.test)
    fixed = split(examples, hashes, task_has_classes, own, splits.test_seed or 0).test
    tested = np.zeros(len(examples.official_test), dtype=np.bool_)
    tested[fixed] = True
    rest = Splits(validation=splits.validation / (1 - splits.test))
    rest_of = replace(examples, official_test=tested)
    return split(rest_of, hashes, task_has_classes, rest, seed, validation_per_class=validation_per_class)


def _contents(hashes: NDArray[np.uint64] | Indices, labels: NDArray[np.generic] | None) -> _Contents:
    _, first, members, size = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    if labels is None:
        class_of = np.zeros(len(first), dtype=np.int64)
    else:
        class_of = np.unique(labels[first], return_inverse=True)[1].astype(np.int64)
    return _Contents(class_of, size.astype(np.int64), members.astype(np.int64))


def _assigned(
    contents: _Contents, val_share: float, test_share: float, seed: int, val_count: int | None = None
) -> NDArray[np.int8]:
    """The part of each content: in each class, shuffled, the first ones are tested on, the next validated on.

    val_count: examples of each class to validate on, at least, in place of the share.
    """
    class_of, size = contents.class_of, contents.size
    distinct = np.bincount(class_of)
    examples = np.bincount(class_of, weights=size)
    test_end = np.rint(examples * test_share)
    val_end = test_end + (np.rint(examples * val_share) if val_count is None else val_count)

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
    wanted_val = wanted_both - wanted_test
    if val_count is not None:
        before_val = (before - before[starts][ordered_class])[np.minimum(starts + test_count, len(order) - 1)]
        taken = before - before[starts][ordered_class] - before_val[ordered_class]
        chosen = (rank >= test_count[ordered_class]) & (taken < val_count)
        wanted_val = np.bincount(ordered_class[chosen], minlength=len(distinct))
    val_stop = _val_stops(wanted_val, test_count, distinct)
    parts = np.empty(len(order), dtype=np.int8)
    parts[order] = np.where(
        rank < test_count[ordered_class], _TEST, np.where(rank < val_stop[ordered_class], _VAL, _TRAIN)
    )
    return parts


def _shuffled(contents: _Contents, smallest: NDArray[np.float64], seed: int) -> Indices:
    """Order contents by class, at random within one; those too large for the smallest part come last, where training is."""
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(len(contents.size))
    too_large = np.where(contents.size > smallest, contents.size, 0)
    return np.lexsort((shuffled, too_large, contents.class_of)).astype(np.int64)


def _test_counts(wanted: Indices, distinct: Indices) -> Indices:
    """Contents of each class to test on. Of the classes with two, every other one has its second validated on."""
    pairs = distinct == 2
    alternating = (np.cumsum(pairs) % 2).astype(np.int64)
    return np.where(pairs, alternating, np.clip(wanted, np.minimum(1, distinct - 1), np.maximum(0, distinct - 2)))


def _val_stops(wanted: Indices, test_count: Indices, distinct: Indices) -> Indices:
    """Return where validation ends in each class, whose first contents are tested on; one is always left to train on."""
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


# Whether a split is one: no example, no content and no group stands in two of its parts.


def refuse_leaks(
    split: Split, unlabelled: NDArray[np.int64], hashes: NDArray[np.uint64], groups: NDArray[np.int64] | None
) -> None:
    """Raises DataError where training (labelled or not), validation and test share something.

    hashes: (examples,), equal where the inputs are; groups: as in Examples. Asked of every split before it is trained
    on: it takes some ten milliseconds for 70,000 examples.
    """
    train = np.concatenate([split.train, unlabelled])
    parts = {"training": train, "validation": split.val, "test": split.test}
    shared = {"examples": np.arange(len(hashes)), "images of equal content": hashes}
    if groups is not None:
        shared["groups"] = groups
    for (one, here), (other, there) in combinations(parts.items(), 2):
        for what, labels in shared.items():
            common = np.intersect1d(labels[here], labels[there])
            if len(common):
                raise DataError(
                    f"the {one} and the {other} split share {len(common)} {what}, so the figures of the one would "
                    f"tell nothing of the other; this is a fault of the program or of a plug-in: please report it"
                )
