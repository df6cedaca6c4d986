"""From a data set's examples to what one trial trains, selects and tests on, as the data set's options ask."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.data.shifts.stream import StreamSplit, after, coming
from trainables.data.splits import Divisible, Split, in_fold, joined, refuse_leaks, split, stream
from trainables.data_options import DataOptions
from trainables.errors import DataError, UnfitOption, raise_all
from trainables.protocol import Splits
from trainables.spec import derived_seeds

# What a trial is given to learn from, where it is to be less or worse than the training split: few labels, a long
# tail, wrong labels. Validation and test are touched only where they are to be as uneven, or to have a number of examples.

Indices = NDArray[np.int64]

HIDDEN: Final = -100
"""The target of an unlabelled example: torch's losses ignore it, should anything learn from it by mistake."""


def per_class_subset(
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
    """Draw of the i-th of C classes the share factor^(i / (C - 1)), at least one, at random, in ascending order.

    Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", section 5.1: of a balanced training
    split, the last class keeps `factor` of what the first one keeps. Numbers are rounded down, as published.
    """
    members = _by_class(train, labels, len(names))
    kept = long_tail_counts([len(mine) for mine in members], factor)
    return np.sort(
        np.concatenate([generator.permutation(mine)[:count] for mine, count in zip(members, kept, strict=True)])
    )


def long_tail_counts(counts: Sequence[int], factor: float) -> list[int]:
    """Return how many `long_tail` keeps of each class. counts: how many there are of each."""
    shares = factor ** (np.arange(len(counts)) / max(1, len(counts) - 1))
    # so that a product that is a whole number stays one: 4,500 * 0.1 ** 2 is 45.00000000000001
    return [max(1, int(np.floor(count * share + 1e-6))) for count, share in zip(counts, shares, strict=True)]


def label_noise(
    targets: Indices, train: Indices, classes: int, share: float, generator: np.random.Generator
) -> Indices:
    """A copy of the targets in which this share of the training examples has another class, each of the others alike."""
    noisy = targets.copy()
    chosen = generator.permutation(train)[: round(share * len(train))]
    noisy[chosen] = (noisy[chosen] + generator.integers(1, classes, len(chosen))) % classes
    return noisy


def _by_class(train: Indices, labels: Indices, classes: int) -> list[Indices]:
    return [train[labels[train] == label] for label in range(classes)]


@dataclass(frozen=True, slots=True)
class SeededSplit:
    """How a seed divides the examples where nothing else is known of a trial."""

    splits: Splits
    seed: int
    validation_per_class: int | None = None

    def of(
        self,
        options: DataOptions,
        examples: Divisible,
        hashes: NDArray[np.uint64],
        classes: Sequence[str],
    ) -> "TrialSplit":
        """Raises as `divided`."""
        seeds = derived_seeds(self.seed).split, self.seed
        chosen = self.validation_per_class
        return divided(options, examples, hashes, classes, self.splits, *seeds, validation_per_class=chosen)


@dataclass(frozen=True, slots=True)
class TrialSplit:
    """A data set divided for one trial."""

    split: Split
    unlabelled: Indices
    """Training examples whose labels are hidden; ascending."""
    targets: NDArray[np.int64] | NDArray[np.float32]
    """Of every example, as they are trained on: with label noise where asked for, without those that are hidden."""
    stream: StreamSplit | None = None
    """Where the test split comes as a stream: `split` is what there is once some of it has been seen."""


def divided(
    options: DataOptions,
    examples: Divisible,
    hashes: NDArray[np.uint64],
    classes: Sequence[str],
    splits: Splits,
    split_seed: int,
    seed: int,
    *,
    validation_per_class: int | None = None,
) -> TrialSplit:
    """Split, then take away: from training, and from validation and test where they are to be as uneven.

    classes: their names; empty where the task has none. split_seed: what everything random is derived from but the
    folds, which all seeds of one cross-validation share. seed: the trial's own. validation_per_class: examples of each
    class to validate on, in place of a share. Raises DataError (UnfitOption) where the data does not allow what is asked
    for.
    """
    if options.folds is not None:
        examples = replace(examples, official_test=_fold(options.folds, examples, hashes, bool(classes), seed))
    wanted = validation_per_class if classes else None
    parts = split(examples, hashes, bool(classes), splits, split_seed, validation_per_class=wanted)
    if classes:
        _refuse_lost_classes(parts, examples.targets, classes)
    taught = _TrainingSubset(parts.train, np.empty(0, np.int64), examples.targets)
    if options.of_classes():
        taught = _less(options, parts.train, examples.targets.astype(np.int64), classes, split_seed)
    parts = replace(parts, train=taught.train)
    if wanted is not None or (classes and options.imbalance < 1):
        parts = _measured(options, parts, examples, classes, splits, split_seed, wanted)
    stream_split = None
    if options.stream is not None:
        alike = hashes if examples.groups is None else joined(hashes, examples.groups)
        blocks = coming(options.stream.blocks, parts.test, alike, split_seed)
        parts = after(parts, blocks, options.seen, alike)
        stream_split = StreamSplit(options.stream, blocks, options.seen)
    refuse_leaks(parts, taught.unlabelled, hashes, examples.groups)
    return TrialSplit(parts, taught.unlabelled, taught.targets, stream_split)


class _TrainingSubset(NamedTuple):
    """What is trained on; the fields of TrialSplit, and the training split."""

    train: Indices
    unlabelled: Indices
    targets: NDArray[np.int64] | NDArray[np.float32]


def _less(
    options: DataOptions, whole: Indices, targets: Indices, classes: Sequence[str], split_seed: int
) -> _TrainingSubset:
    """The training split with fewer labels, a long tail and wrong labels, as asked for. `targets` is a copy."""
    train, unlabelled = whole, np.empty(0, np.int64)
    if options.per_class is not None:
        train = per_class_subset(train, targets, classes, options.per_class, stream("per_class", split_seed))
        unlabelled = np.setdiff1d(whole, train)
    if options.imbalance < 1 and "train" in options.skew:
        train = long_tail(train, targets, classes, options.imbalance, stream("imbalance", split_seed))
    if options.label_noise:
        generator = stream("label_noise", split_seed)
        targets = label_noise(targets, train, len(classes), options.label_noise, generator)
    targets[unlabelled] = HIDDEN
    return _TrainingSubset(train, unlabelled, targets)


def _measured(
    options: DataOptions,
    parts: Split,
    examples: Divisible,
    classes: Sequence[str],
    splits: Splits,
    split_seed: int,
    validation_per_class: int | None,
) -> Split:
    """Validation with so many examples of each class, then both with a long tail where that is asked for."""
    labels = examples.targets.astype(np.int64)
    if validation_per_class is not None:
        generator = stream("validation_per_class", split_seed)
        parts = replace(parts, val=_validated(parts.val, labels, classes, validation_per_class, generator))
    if options.imbalance == 1:
        return parts
    if "validation" in options.skew:
        generator = stream("imbalance of validation", split_seed)
        parts = replace(parts, val=long_tail(parts.val, labels, classes, options.imbalance, generator))
    if "test" in options.skew:
        # a test split that is the same for all trials stays so
        fixed = 0 if examples.official_test.any() and options.folds is None else splits.test_seed
        generator = stream("imbalance of test", split_seed if fixed is None else fixed)
        parts = replace(parts, test=long_tail(parts.test, labels, classes, options.imbalance, generator))
    return parts


def _validated(
    val: Indices, labels: Indices, names: Sequence[str], per_class: int, generator: np.random.Generator
) -> Indices:
    """So many validation examples of each class. Copies and groups, which stay together, may have brought more."""
    try:
        return per_class_subset(val, labels, names, per_class, generator)
    except UnfitOption:
        counts = (f"{name} has {int((labels[val] == label).sum())}" for label, name in enumerate(names))
        raise UnfitOption(
            "validation_per_class",
            f"protocol.validation_per_class is {per_class}, and not every class has as many to validate on:"
            f" {', '.join(counts)}; give a smaller number, or more images",
        ) from None


def _fold(
    folds: int,
    examples: Divisible,
    hashes: NDArray[np.uint64],
    has_classes: bool,
    seed: int,
) -> NDArray[np.bool_]:
    grouped = examples.groups is not None
    contents = joined(hashes, examples.groups) if examples.groups is not None else joined(hashes)
    labels = examples.targets if has_classes else np.zeros(len(hashes))
    class_of = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    different = len(np.unique(contents))
    if different < folds:
        things = "groups" if grouped else "different examples"
        raise UnfitOption(
            "folds", f"folds is {folds}, and there are {different} {things}; give at most that many folds"
        )
    return in_fold(contents, class_of, folds, seed, grouped)


def _refuse_lost_classes(parts: Split, targets: NDArray[np.generic], classes: Sequence[str]) -> None:
    """A class that is only trained on, or never, would be left out of the figures without a word."""
    counts = {
        name: np.bincount(targets[indices].astype(np.int64), minlength=len(classes))
        for name, indices in (("train", parts.train), ("val", parts.val), ("test", parts.test))
    }
    lost: list[DataError] = []
    for label, name in enumerate(classes):
        trained, asked = counts["train"][label], counts["val"][label] + counts["test"][label]
        if trained and not asked:
            lost.append(
                DataError(
                    f"the class {name} has one image (or copies of one, or one group): it cannot be both trained on and "
                    f"tested; add at least two that differ, or leave the class out"
                )
            )
        if asked and not trained:
            lost.append(
                DataError(
                    f"the class {name} has {asked} images to validate and test on and none to learn from; "
                    f"add some, or leave the class out"
                )
            )
    raise_all(lost)
