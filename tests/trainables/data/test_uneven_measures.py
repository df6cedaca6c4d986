"""Validation with a number of examples of each class, and validation and test as uneven as training."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from orchestrator.errors import GridError
from tests.orchestrator.plan.test_data_options import plan
from tests.orchestrator.plan.test_data_options import prepared as prepare
from trainables.data.splits import Split
from trainables.data.subset import divided
from trainables.data_options import DataOptions
from trainables.dataset import Examples
from trainables.datasets.digits import Digits
from trainables.errors import UnfitOption
from trainables.protocol import Protocol, Splits

CLASSES = ("a", "b", "c", "d")
SHARES = [1, 0.1 ** (1 / 3), 0.1 ** (2 / 3), 0.1]


def examples_of(count: int = 400, *, official: int = 0, groups: bool = False) -> Examples:
    """As many of each class; the last `official` of them are an official test split."""
    number = np.arange(count)
    owners = number // 8 if groups else None
    return Examples(np.zeros((count, 1, 1, 1), np.uint8), number % 4, number >= count - official, owners)


def split_of(
    examples: Examples,
    options: DataOptions | None = None,
    *,
    splits: Splits | None = None,
    seed: int = 0,
    per_class: int | None = None,
    hashes: np.ndarray | None = None,
) -> Split:
    contents = np.arange(len(examples), dtype=np.uint64) if hashes is None else hashes
    rules = splits or Splits()
    return divided(
        options or Digits(), examples, contents, CLASSES, rules, seed, seed, validation_per_class=per_class
    ).split


def counts(examples: Examples, indices: np.ndarray) -> list[int]:
    return np.bincount(examples.targets[indices].astype(np.int64), minlength=4).tolist()


@pytest.mark.parametrize("per_class", [1, 3, 10, 40])
@pytest.mark.parametrize("splits", [Splits(), Splits(test_seed=3), Splits(validation=0.5, test=0.1)])
def test_each_class_has_its_number_and_the_rest_is_trained_on(per_class: int, splits: Splits) -> None:
    examples = examples_of()
    found, plain = split_of(examples, splits=splits, per_class=per_class), split_of(examples, splits=splits)
    assert counts(examples, found.val) == [per_class] * 4
    assert found.test.tolist() == plain.test.tolist()
    assert len(found.train) == 400 - len(found.test) - 4 * per_class


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_together_and_the_number_holds(seed: int) -> None:
    examples = examples_of()
    hashes = (np.arange(400) // 12 * 4 + np.arange(400) % 4).astype(np.uint64)  # three copies of each
    found = split_of(examples, per_class=7, hashes=hashes, seed=seed)
    assert counts(examples, found.val) == [7] * 4
    for one, other in ((found.train, found.val), (found.train, found.test), (found.val, found.test)):
        assert not set(hashes[one]) & set(hashes[other])


def test_groups_stay_together_and_the_number_holds() -> None:
    examples = examples_of(groups=True)
    found = split_of(examples, per_class=5)
    assert counts(examples, found.val) == [5] * 4
    assert examples.groups is not None
    assert not set(examples.groups[found.val]) & set(examples.groups[found.train])


def test_more_than_a_class_has_is_refused() -> None:
    with pytest.raises(UnfitOption, match=r"validation_per_class is 300, .*: a has \d+, b has"):
        split_of(examples_of(), per_class=300)


def test_it_is_told_at_the_data_set_and_without_classes_it_is_a_reason(tmp_path: Path) -> None:
    few = "protocol: {validation_per_class: 170}"
    with pytest.raises(GridError, match=r"grid\.yaml:4:\d+: protocol\.validation_per_class is 170"):
        prepare(plan(tmp_path, "    digits", rest=few), tmp_path)
    assert Protocol(validation_per_class=5).digest() != Protocol().digest()


def test_skew_says_what_becomes_uneven() -> None:
    examples = examples_of(4000)
    plain = split_of(examples)
    for skew in (("train",), ("test",), ("validation",), ("train", "validation", "test")):
        found = split_of(examples, Digits(imbalance=0.1, skew=skew))
        for name, part, before in (
            ("train", found.train, plain.train),
            ("validation", found.val, plain.val),
            ("test", found.test, plain.test),
        ):
            even = counts(examples, before)
            expected = [int(np.floor(n * share + 1e-6)) for n, share in zip(even, SHARES, strict=True)]
            assert counts(examples, part) == (expected if name in skew else even), (skew, name)
            assert set(part) <= set(before)


def test_where_it_is_not_given_nothing_but_training_changes() -> None:
    assert Digits(imbalance=0.1, skew=("train",)).digest() == Digits(imbalance=0.1).digest()
    assert '"skew"' not in Digits(imbalance=0.1).canonical()
    assert Digits(skew=("test", "train")) == Digits.from_parameters({"skew": ["train", "test"]})


@pytest.mark.parametrize(("official", "splits"), [(400, Splits()), (0, Splits(test_seed=2))])
def test_a_test_split_that_all_trials_share_stays_one(official: int, splits: Splits) -> None:
    examples = examples_of(2000, official=official)
    options = Digits(imbalance=0.1, skew=("train", "test"))
    first, second = (split_of(examples, options, splits=splits, seed=seed) for seed in (1, 2))
    assert first.test.tolist() == second.test.tolist()
    assert len(first.test) < 300
    assert first.train.tolist() != second.train.tolist()


@pytest.mark.parametrize("skew", [[], ["train", "train"], ["val"], "train"])
def test_what_is_no_list_of_splits_is_refused(skew: object) -> None:
    with pytest.raises(ValidationError):
        Digits.from_parameters({"skew": skew})


def test_a_grid_may_name_all_splits(tmp_path: Path) -> None:
    planned = plan(tmp_path, "    {name: digits, imbalance: [1.0, 0.1], skew: [train, validation, test]}")
    assert len(list(planned.cells())) == 2
    assert len(prepare(planned, tmp_path)) == 2
    with pytest.raises(GridError, match=r"grid\.yaml:4:\d+: .*skew"):
        plan(tmp_path, "    {name: digits, imbalance: 0.1, skew: [train, tset]}")
