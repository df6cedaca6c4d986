"""The accuracy that is estimated without labels."""

import numpy as np
import pytest

from tests.trainables.measurements.worlds import World, world
from trainables.measurements._estimated import DifferenceOfConfidences

REFERENCE = world(5_000, seed=0)


def right(of: World) -> np.ndarray:
    return of.probabilities.argmax(axis=1) == of.labels


def fitted() -> DifferenceOfConfidences:
    return DifferenceOfConfidences.fitted(REFERENCE.probabilities, right(REFERENCE))


def test_on_the_reference_itself_it_is_the_accuracy() -> None:
    assert fitted().estimate(REFERENCE.probabilities) == pytest.approx(right(REFERENCE).mean(), abs=1e-12)


def test_by_hand() -> None:
    """The mean confidence falls from 0.9 to 0.6, and so does the accuracy from 0.5 to 0.2."""
    two = DifferenceOfConfidences.fitted(np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([True, False]))
    assert two.estimate(np.array([[0.6, 0.4]])) == pytest.approx(0.2)


def test_an_estimate_is_an_accuracy() -> None:
    sure, unsure = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    assert DifferenceOfConfidences.fitted(unsure, np.array([True])).estimate(sure) == 1.0
    assert DifferenceOfConfidences.fitted(sure, np.array([False])).estimate(unsure) == 0.0


def test_windows_of_200_without_shift_are_within_two_points() -> None:
    clean = world(20_000, seed=1)
    errors = [
        fitted().estimate(clean.probabilities[start : start + 200]) - right(clean).mean()
        for start in range(0, 20_000, 200)
    ]
    assert np.abs(errors).mean() < 0.01 and np.abs(errors).max() < 0.03


def test_where_contrast_falls_it_falls_with_the_accuracy_but_too_little() -> None:
    """A net that is calibrated without shift is too sure of what is faint: it sees half of what that costs."""
    faint = [world(5_000, seed=2, contrast=contrast) for contrast in (1.0, 0.8, 0.6, 0.4)]
    estimates, truths = [fitted().estimate(one.probabilities) for one in faint], [right(one).mean() for one in faint]
    assert estimates == sorted(estimates, reverse=True) and truths == sorted(truths, reverse=True)
    assert truths[0] - truths[2] > 0.2
    assert 0.4 < (estimates[0] - estimates[2]) / (truths[0] - truths[2]) < 0.7
