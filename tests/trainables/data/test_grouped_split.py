"""Groups stay whole in splits and folds, and classes are spread over them as evenly as they allow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trainables.data.splits import joined, refuse_leaks, shared_out, split, stream
from trainables.dataset import Examples
from trainables.errors import DataError
from trainables.protocol import Splits

NOBODY = np.empty(0, np.int64)


def same_partition(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40))
def test_joined_are_the_connected_components(rows: list[tuple[int, int]]) -> None:
    first, second = np.array(rows).T
    size = 13
    graph = coo_array((np.ones(len(rows)), (first, size + second)), shape=(2 * size, 2 * size))
    expected = connected_components(graph, directed=False)[1][first].astype(np.int64)
    assert same_partition(joined(first, second), expected)


def people(count: int, classes: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(groups, labels): people of 2 to 30 images, each of one to three of the classes."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(2, 31, count)
    groups = np.repeat(np.arange(count), sizes)
    liked = [generator.choice(classes, generator.integers(1, 4), replace=False) for _ in range(count)]
    return groups, np.array([generator.choice(liked[group]) for group in groups])


def examples_of(groups: NDArray[np.int64], labels: NDArray[np.int64], official: NDArray[np.bool_] | None = None):
    inputs = np.zeros((len(labels), 1, 1, 1), np.uint8)
    return Examples(inputs, labels, np.zeros(len(labels), bool) if official is None else official, groups)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_met_as_nearly_as_people_allow(seed: int) -> None:
    groups, labels = people(120, 4, seed)
    hashes = np.arange(len(labels), dtype=np.uint64)
    result = split(examples_of(groups, labels), hashes, True, Splits(validation=0.1, test=0.2), seed)
    parts = (result.train, result.val, result.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    refuse_leaks(result, NOBODY, hashes, groups)
    for label in range(4):
        shares = [float((labels[part] == label).sum() / (labels == label).sum()) for part in parts]
        assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.05)


def test_another_seed_is_another_split() -> None:
    groups, labels = people(60, 3, 0)
    hashes = np.arange(len(labels), dtype=np.uint64)
    tests = [split(examples_of(groups, labels), hashes, True, Splits(), seed).test.tolist() for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_a_copy_of_a_image_joins_two_people() -> None:
    groups = np.repeat(np.arange(6), 3)
    hashes = np.arange(18, dtype=np.uint64)
    hashes[3] = hashes[0]  # of person 1 and person 0
    for seed in range(20):
        result = split(examples_of(groups, np.tile([0, 1, 2], 6)), hashes, True, Splits(), seed)
        refuse_leaks(result, NOBODY, hashes, groups)
        part_of = {int(person): name for name in ("train", "val", "test") for person in groups[getattr(result, name)]}
        assert part_of[0] == part_of[1]


def test_who_is_in_the_official_test_split_is_not_trained_on() -> None:
    groups = np.repeat(np.arange(10), 10)
    official = np.zeros(100, bool)
    official[[5, 17]] = True  # one image each of person 0 and person 1
    result = split(
        examples_of(groups, np.tile([0, 1], 50), official), np.arange(100, dtype=np.uint64), True, Splits(), 0
    )
    assert result.test.tolist() == [5, 17] and result.dropped == 18
    assert not {0, 1} & set(groups[result.train].tolist()) | {0, 1} & set(groups[result.val].tolist())


@pytest.mark.parametrize(("count", "sizes"), [(3, [1, 1, 1]), (4, [2, 1, 1])])
def test_three_people_are_enough(count: int, sizes: list[int]) -> None:
    groups = np.repeat(np.arange(count), 8)
    result = split(
        examples_of(groups, np.tile([0, 1], 4 * count)), np.arange(8 * count, dtype=np.uint64), True, Splits(), 0
    )
    assert [len(set(groups[part])) for part in (result.train, result.val, result.test)] == sizes


def test_two_people_are_too_few() -> None:
    groups = np.repeat(np.arange(2), 8)
    with pytest.raises(DataError, match=r"too few groups: 2 groups leave the .* split empty; add groups"):
        split(examples_of(groups, np.tile([0, 1], 8)), np.arange(16, dtype=np.uint64), True, Splits(), 0)


def test_equal_shares_are_as_even_as_scikit_learns() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    def unevenness(fold_of: NDArray[np.int64]) -> float:
        table = np.array([np.bincount(labels[fold_of == fold], minlength=4) for fold in range(5)])
        return float((table / table.sum(axis=0)).std(axis=0).mean())

    ours, theirs = [], []
    for seed in range(5):
        groups, labels = people(100, 4, seed)
        ours.append(unevenness(shared_out(groups, labels, np.full(5, 0.2), stream("folds", seed))[groups]))
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, groups)
        fold_of = np.empty(len(labels), np.int64)
        for fold, (_, tested) in enumerate(folds):
            fold_of[tested] = fold
        theirs.append(unevenness(fold_of))
    assert np.mean(ours) <= 1.5 * np.mean(theirs)
