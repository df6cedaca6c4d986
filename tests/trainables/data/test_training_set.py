"""Fewer, unbalanced and wrong labels: exact numbers, seeded, nested, and of the training split alone."""

import numpy as np
import pytest

from trainables.data.splits import stream
from trainables.data.subset import label_noise, long_tail, per_class_subset
from trainables.errors import UnfitOption

NAMES = tuple("abcdefghij")
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))
TRAIN = np.arange(len(LABELS))
PUBLISHED = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
"""Training images of each class of CIFAR-10-LT with an imbalance of 100 (Cui et al. 2019, and all who used it since)."""


def counts(chosen: np.ndarray) -> list[int]:
    return np.bincount(LABELS[chosen], minlength=10).tolist()


def test_the_long_tail_is_the_published_one() -> None:
    chosen = long_tail(TRAIN, LABELS, NAMES, 0.01, stream("imbalance", 0))
    assert counts(chosen) == PUBLISHED
    assert (np.diff(chosen) > 0).all()


def test_a_class_never_goes_away_and_a_share_of_one_keeps_everything() -> None:
    assert counts(long_tail(TRAIN, LABELS, NAMES, 1e-9, stream("imbalance", 0)))[-1] == 1
    np.testing.assert_array_equal(long_tail(TRAIN, LABELS, NAMES, 1.0, stream("imbalance", 0)), TRAIN)


def test_as_many_of_each_class_as_asked_for_and_fewer_are_a_part_of_more() -> None:
    chosen = {size: per_class_subset(TRAIN, LABELS, NAMES, size, stream("per_class", 3)) for size in (5, 20, 5000)}
    assert [counts(each) for each in chosen.values()] == [[size] * 10 for size in chosen]
    assert set(chosen[5].tolist()) < set(chosen[20].tolist())
    other = per_class_subset(TRAIN, LABELS, NAMES, 20, stream("per_class", 4))
    assert set(other.tolist()) != set(chosen[20].tolist())
    assert len(set(other.tolist()) & set(chosen[20].tolist())) < 20  # at random: 0.8 in 200 are expected


def test_more_than_there_is_names_the_classes_and_their_counts() -> None:
    train = TRAIN[(LABELS != 2) & (LABELS != 5)]
    train = np.sort(np.concatenate([train, TRAIN[LABELS == 2][:7]]))
    with pytest.raises(UnfitOption, match=r"per_class is 20, .*: c has 7, f has 0; give a smaller number") as refused:
        per_class_subset(train, LABELS, NAMES, 20, stream("per_class", 0))
    assert refused.value.option == "per_class"


def test_so_many_labels_are_wrong_and_each_other_class_is_as_likely() -> None:
    train = TRAIN[::2]
    noisy = label_noise(LABELS, train, 10, 0.2, stream("label_noise", 0))
    changed = np.flatnonzero(noisy != LABELS)
    assert len(changed) == round(0.2 * len(train)) and np.isin(changed, train).all()
    away = np.bincount((noisy - LABELS)[changed] % 10, minlength=10)
    expected = len(changed) / 9  # 556; four deviations of the binomial are 89
    assert away[0] == 0 and (abs(away[1:] - expected) < 4 * np.sqrt(expected)).all()


def test_more_label_noise_keeps_the_wrong_labels_of_less() -> None:
    little, much = (label_noise(LABELS, TRAIN, 10, share, stream("label_noise", 1)) for share in (0.1, 0.3))
    assert set(np.flatnonzero(little != LABELS)) < set(np.flatnonzero(much != LABELS))
