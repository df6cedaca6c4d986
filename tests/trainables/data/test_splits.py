"""Splits: disjoint by content, stratified, seeded, and honest about what they cannot divide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainables.data.splits import Split, split
from trainables.dataset import Examples
from trainables.errors import DataError
from trainables.protocol import Splits

DEFAULT = Splits()


def examples_of(labels: NDArray[np.int64], official: NDArray[np.bool_] | None = None) -> Examples:
    inputs = np.zeros((len(labels), 1, 1, 1), dtype=np.uint8)
    return Examples(inputs, labels, np.zeros(len(labels), dtype=bool) if official is None else official)


def divided(
    labels: NDArray[np.int64],
    hashes: NDArray[np.uint64] | None = None,
    official: NDArray[np.bool_] | None = None,
    splits: Splits = DEFAULT,
    seed: int = 0,
) -> Split:
    distinct = np.arange(len(labels), dtype=np.uint64)
    return split(examples_of(labels, official), distinct if hashes is None else hashes, True, splits, seed)


def parts(result: Split) -> list[NDArray[np.int64]]:
    return [result.train, result.val, result.test]


shares = st.sampled_from([0.05, 0.1, 0.2, 0.33, 0.45])


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(3, 60), min_size=1, max_size=8),
    validation=shares,
    test=shares,
    seed=st.integers(0, 2**63 - 1),
)
def test_shares_hold_in_each_class(counts: list[int], validation: float, test: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    result = divided(labels, splits=Splits(validation=validation, test=test), seed=seed)
    assert sorted(np.concatenate(parts(result)).tolist()) == list(range(len(labels)))
    for label, count in enumerate(counts):
        train, val, tested = (int((labels[part] == label).sum()) for part in parts(result))
        assert abs(val - validation * count) <= 1
        assert abs(tested - test * count) <= 1
        assert min(train, val, tested) >= 1


@settings(max_examples=300, deadline=None)
@given(data=st.data(), count=st.integers(1, 80), seed=st.integers(0, 2**63 - 1), official=st.booleans())
def test_equal_contents_never_stand_in_two_splits(data: st.DataObject, count: int, seed: int, official: bool) -> None:
    def column(largest: int) -> list[int]:
        return data.draw(st.lists(st.integers(0, largest), min_size=count, max_size=count))

    labels, hashes = np.array(column(4)), np.array(column(40), dtype=np.uint64)
    is_test = np.array(column(1), dtype=bool) if official else np.zeros(count, dtype=bool)
    try:
        result = divided(labels, hashes, is_test, seed=seed)
    except DataError as refused:
        assert "too few examples" in str(refused)
        return
    contents = [set(hashes[part].tolist()) for part in parts(result)]
    assert not (contents[0] & contents[1] or contents[0] & contents[2] or contents[1] & contents[2])
    everything = np.concatenate(parts(result))
    assert len(everything) == len(set(everything.tolist())) == count - result.dropped
    assert all((np.diff(part) > 0).all() for part in parts(result))
    if is_test.any():
        np.testing.assert_array_equal(result.test, np.flatnonzero(is_test))
    left = hashes[~is_test & ~np.isin(hashes, hashes[is_test])]
    assert result.dropped == count - is_test.sum() - len(left)
    first_label = {content: labels[np.flatnonzero((hashes == content) & ~is_test)[0]] for content in left.tolist()}
    for label in set(first_label.values()):
        distinct = {content for content, its in first_label.items() if its == label}
        if len(distinct) >= 3:
            wanted = contents[:2] if is_test.any() else contents
            assert all(distinct & there for there in wanted)


def test_one_seed_one_split_and_another_another() -> None:
    labels = np.arange(500) % 10
    first, again, other = divided(labels, seed=7), divided(labels, seed=7), divided(labels, seed=8)
    for one, two, three in zip(parts(first), parts(again), parts(other), strict=True):
        np.testing.assert_array_equal(one, two)
        assert set(one.tolist()) != set(three.tolist())


def test_the_official_test_split_is_the_test_split_and_validation_is_a_share_of_the_rest() -> None:
    labels = np.arange(1200) % 10
    official = np.arange(1200) >= 1000
    hashes = np.arange(1200, dtype=np.uint64)
    hashes[[3, 4, 5]] = hashes[[1000, 1000, 1100]]
    result = divided(labels, hashes, official)
    assert result.dropped == 3
    assert not {3, 4, 5} & set(np.concatenate(parts(result)).tolist())
    assert result.test.tolist() == list(range(1000, 1200))
    assert len(result.val) == 100
    assert len(result.train) == 897


def test_many_copies_of_one_image_are_trained_on() -> None:
    hashes = np.concatenate([np.zeros(900, dtype=np.uint64), np.arange(1, 101, dtype=np.uint64)])
    for seed in range(20):
        result = divided(np.zeros(1000, dtype=np.int64), hashes, seed=seed)
        assert set(range(900)) <= set(result.train.tolist())
        assert len(result.val)
        assert len(result.test)


def test_tiny_classes_are_trained_on_first() -> None:
    labels = np.array([0] * 30 + [1] + [2, 2] + [3, 3] + [4, 4, 4])
    for seed in range(20):
        train, val, test = (labels[part].tolist() for part in parts(divided(labels, seed=seed)))
        assert train.count(1) == train.count(2) == train.count(3) == train.count(4) == 1
        assert val.count(4) == test.count(4) == 1
        assert {val.count(2), test.count(2)} == {val.count(3), test.count(3)} == {0, 1}
        assert val.count(2) + val.count(3) == 1


def test_labels_need_not_be_in_a_row() -> None:
    labels = np.array([7, 7, 7, 100, 100, 100])
    assert [len(part) for part in parts(divided(labels))] == [2, 2, 2]


def test_numbers_to_predict_are_not_stratified() -> None:
    targets = np.random.default_rng(0).random((100, 1)).astype(np.float32)
    examples = Examples(np.zeros((100, 1, 1, 1), dtype=np.uint8), targets, np.zeros(100, dtype=bool))
    result = split(examples, np.arange(100, dtype=np.uint64), False, DEFAULT, 0)
    assert [len(part) for part in parts(result)] == [70, 10, 20]


@pytest.mark.parametrize(
    ("labels", "hashes", "official", "message"),
    [
        ([0], [0], [False], "1 different ones leave the validation and test split empty"),
        ([0, 1, 2, 3], [0, 1, 2, 3], [False] * 4, "4 different ones leave the validation and test split empty"),
        ([0] * 9, [5] * 9, [False] * 9, "1 different ones leave the validation and test split empty"),
        ([0, 0, 0], [0, 1, 2], [True] * 3, "0 different ones leave the training and validation split empty"),
        ([0, 0, 0], [1, 1, 1], [False, False, True], r"0 different ones \(2 are left out because the test split has"),
    ],
)
def test_what_cannot_be_divided_is_refused(
    labels: list[int], hashes: list[int], official: list[bool], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        divided(np.array(labels), np.array(hashes, dtype=np.uint64), np.array(official))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), counts=st.lists(st.integers(6, 60), min_size=1, max_size=5), grouped=st.booleans())
def test_with_a_test_seed_the_seed_divides_only_the_rest(data: st.DataObject, counts: list[int], grouped: bool) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    of = np.arange(len(labels)) // 2 if grouped else np.arange(len(labels))
    hashes = of.astype(np.uint64)
    splits = Splits(test_seed=data.draw(st.integers(0, 2**63 - 1)))
    first, second = (divided(labels, hashes, splits=splits, seed=seed) for seed in (1, 2))
    assert np.array_equal(first.test, second.test)
    for result in (first, second):
        assert result.dropped == 0
        assert sorted(np.concatenate(parts(result)).tolist()) == list(range(len(labels)))
        assert not set(of[result.test]) & set(of[np.concatenate([result.train, result.val])])
    plain = divided(labels, hashes, seed=1)
    assert abs(len(plain.val) - len(first.val)) <= 2 * len(counts), "validation keeps its share of all examples"


def test_an_official_test_split_is_not_drawn_anew() -> None:
    labels = np.repeat(np.arange(2), 20)
    official = np.arange(40) % 4 == 0
    with_seed = divided(labels, official=official, splits=Splits(test_seed=3), seed=5)
    without = divided(labels, official=official, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(parts(with_seed), parts(without), strict=True))
