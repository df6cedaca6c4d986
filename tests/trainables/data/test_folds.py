"""Cross-validation: every example is tested on once, in folds of one size and one mixture of classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.splits import in_fold


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    folds=st.integers(2, 7),
    repeat=st.integers(0, 3),
)
def test_seeds_of_one_cross_validation_test_on_everything_once(counts: list[int], folds: int, repeat: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    contents = np.random.default_rng(0).permutation(len(labels))
    masks = [in_fold(contents, labels, folds, repeat * folds + fold, grouped=False) for fold in range(folds)]
    assert (np.sum(masks, axis=0) == 1).all()
    sizes = [int(mask.sum()) for mask in masks]
    assert max(sizes) - min(sizes) <= 1
    for label in range(len(counts)):
        of_class = [int((mask & (labels == label)).sum()) for mask in masks]
        assert max(of_class) - min(of_class) <= 1


def test_the_next_seeds_have_other_folds() -> None:
    labels = np.arange(100) % 5
    first, again, later = (in_fold(np.arange(100), labels, 5, seed, grouped=False) for seed in (2, 2, 7))
    np.testing.assert_array_equal(first, again)
    assert set(np.flatnonzero(first)) != set(np.flatnonzero(later))


@pytest.mark.parametrize("grouped", [False, True])
def test_equal_contents_are_tested_on_together(grouped: bool) -> None:
    contents = np.repeat(np.arange(50), 4)
    labels = np.tile([0, 1], 100)
    masks = [in_fold(contents, labels, 5, seed, grouped) for seed in range(5)]
    assert (np.sum(masks, axis=0) == 1).all()
    assert all(len({*mask[contents == content]}) == 1 for mask in masks for content in range(50))
