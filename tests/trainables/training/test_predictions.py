"""What is kept of a test example: little, and in the same order."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from trainables.dataset import DataInfo
from trainables.datasets.digits import Digits
from trainables.errors import BrokenComponent
from trainables.task import Answers
from trainables.tasks.classification import Classification
from trainables.tasks.regression import Regression
from trainables.training.predictions import (
    SplitExamples,
    pack_answers,
    refuse_unfit,
    rounded,
    split_identity,
    unpacked_answers,
    unpacked_split,
)

GENERATOR = np.random.default_rng(0)


def test_a_probability_keeps_eleven_bits_of_what_is_small() -> None:
    small = 10.0 ** GENERATOR.uniform(-30, -0.4, 10_000)
    kept = rounded(small).astype(float)
    assert np.abs(kept / small - 1).max() <= 2**-11
    lacks = small[small > 1e-5]
    assert np.abs((1 - rounded(1 - lacks).astype(float)) - lacks).max() <= 2**-25 + (lacks * 2**-11).max()
    assert rounded(np.array([0.0, 0.5, 1.0])).tolist() == [0.0, 0.5, 1.0]


def test_the_order_of_probabilities_stays() -> None:
    values = np.sort(np.concatenate([GENERATOR.random(50_000), 1 - 10.0 ** GENERATOR.uniform(-9, 0, 50_000)]))
    assert (np.diff(rounded(values)) >= 0).all()


@pytest.mark.parametrize("sure", [0.5, 3.0, 6.0])
def test_curves_of_two_classes_are_as_they_were_but_for_ties(sure: float) -> None:
    labels = GENERATOR.integers(0, 2, 4000)
    logits = GENERATOR.normal(0, 1, (4000, 2))
    logits[np.arange(4000), labels] += sure * GENERATOR.normal(0.5, 1, 4000)
    task, outputs, targets = Classification(), torch.tensor(logits, dtype=torch.float32), torch.tensor(labels)
    kept, probability = unpacked_answers(pack_answers(task.answers(outputs, targets)), 4000)
    measured = task.measure(outputs, targets)
    assert (kept == labels).mean() == measured.accuracy
    assert probability is not None
    truth = probability.astype(float)
    # what is nearer to 1 than 2^-25 is 1: on both sides alike
    score = np.clip(np.where(labels == 1, truth, 1 - truth), 2**-24, 1 - 2**-24)
    _, of_one = np.unique(score[labels == 1], return_counts=True)
    ties = sum(
        (score[labels == 0] == value).sum() * count
        for value, count in zip(np.unique(score[labels == 1]), of_one, strict=True)
    )
    bound = ties / (2 * (labels == 1).sum() * (labels == 0).sum())
    assert bound < 0.002
    assert roc_auc_score(labels, score) == pytest.approx(measured.roc_auc_macro, abs=bound + 1e-12)
    both = (average_precision_score(labels, score), average_precision_score(1 - labels, 1 - score))
    assert np.mean(both) == pytest.approx(measured.average_precision_macro, abs=0.002)


def test_numbers_are_kept_as_they_are() -> None:
    outputs, targets = torch.randn(50, 1), torch.randn(50, 1)
    task = Regression()
    answers = task.answers(outputs, targets)
    assert answers is not None
    kept, probability = unpacked_answers(pack_answers(answers), 50)
    assert kept.tolist() == outputs[:, 0].tolist()
    assert answers.targets.tolist() == targets[:, 0].tolist()
    assert probability is None


def test_several_numbers_for_an_example_are_not_kept() -> None:
    task, data = Regression(), DataInfo("pairs", "image", (1, 8, 8), "regression", targets=2)
    assert task.answers(torch.zeros(5, 2), torch.zeros(5, 2)) is None
    assert not task.keeps_answers(data)


def test_examples_come_back_as_they_were() -> None:
    split = SplitExamples(np.array([3, 300, 0], np.float32), np.array([5, -1, 5]), ["a\nb.png", "ü.png", ""])
    found = unpacked_split(split.packed(), 3)
    assert found.targets.tolist() == [3, 300, 0]
    assert found.groups is not None
    assert found.groups.tolist() == [5, -1, 5]
    assert found.sources == ["a\nb.png", "ü.png", ""]


def test_what_is_no_pack_is_refused() -> None:
    packed = pack_answers(Answers(np.zeros(9, np.float32), np.zeros(9, np.float32), np.zeros(9)))
    with pytest.raises(ValueError, match="its answers are 9, and its split has 8 examples"):
        unpacked_answers(packed, 8)
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpacked_answers(packed[:-9], 9)
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpacked_answers(b"nothing", 9)


@pytest.mark.parametrize("predicted", [np.zeros(4), np.zeros((5, 2)), np.full(5, np.nan), np.array(["a"] * 5)])
def test_answers_that_are_no_number_for_each_example_break_their_task(predicted: NDArray[Any]) -> None:
    with pytest.raises(BrokenComponent, match="no finite number for each of 5 test examples: predicted"):
        refuse_unfit(Answers(predicted, np.zeros(5, np.float32)), 5)
    refuse_unfit(Answers(np.zeros(5, np.float32), np.zeros(5, np.float32), np.ones(5)), 5)


def test_a_split_is_its_examples_whatever_is_done_to_them() -> None:
    test = np.array([1, 5, 9])
    plain = split_identity(Digits(), "f" * 32, test, 100)
    assert split_identity(Digits(pixel_noise=0.2), "f" * 32, test, 100) == plain
    others = {
        split_identity(Digits(), "e" * 32, test, 100),
        split_identity(Digits(), "f" * 32, test[::-1], 100),
        split_identity(Digits(), "f" * 32, test[:2], 100),
    }
    assert len(others | {plain}) == 4
