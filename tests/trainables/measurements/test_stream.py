"""Autocorrelation of a stream, and how many of its examples tell something."""

import numpy as np
import pytest
from statsmodels.tsa.stattools import acf

from trainables.measurements._stream import autocorrelation


def stream(r: float, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    numbers = [rng.normal()]
    for step in rng.normal(size=n - 1):
        numbers.append(r * numbers[-1] + (1 - r**2) ** 0.5 * step)
    return np.array(numbers)


@pytest.mark.parametrize("r", [0.0, 0.5, 0.9, -0.5])
def test_it_is_that_of_statsmodels(r: float) -> None:
    numbers = stream(r, 2_000, seed=0)
    found = autocorrelation(numbers)
    assert found.lag_1 == pytest.approx(acf(numbers, nlags=1)[1], abs=1e-12)
    assert abs(found.lag_1 - r) < 0.06 and found.n == 2_000


@pytest.mark.parametrize("r", [0.0, 0.5, 0.9])
def test_the_effective_size_is_that_of_the_means_spread(r: float) -> None:
    streams = [stream(r, 2_000, seed) for seed in range(300)]
    effective = np.mean([autocorrelation(one).effective_n for one in streams])
    assert effective == pytest.approx(1 / np.var([one.mean() for one in streams]), rel=0.2)


def test_of_several_numbers_each_counts_by_its_variance() -> None:
    much, little = 3 * stream(0.9, 2_000, seed=0), stream(0.0, 2_000, seed=1)
    both = autocorrelation(np.stack([much, little], axis=1)).lag_1
    weights = np.array([much.var(), little.var()])
    each = np.array([autocorrelation(one).lag_1 for one in (much, little)])
    assert both == pytest.approx(float(weights @ each / weights.sum()), abs=1e-12)
    one_constant = np.stack([much, np.full(2_000, 0.1)], axis=1)
    assert autocorrelation(one_constant).lag_1 == pytest.approx(each[0], abs=1e-12)
    assert autocorrelation(np.full((5, 3), 0.1)).lag_1 == 1.0


def test_alternating_numbers_tell_no_more_than_they_are() -> None:
    found = autocorrelation(np.array([0.0, 1.0] * 50))
    assert found.lag_1 == pytest.approx(-0.99) and found.effective_n == 100


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1])
def test_one_picture_repeated_is_one_example(value: float) -> None:
    found = autocorrelation(np.full(77, value))
    assert (found.lag_1, found.n, found.effective_n) == (1.0, 77, 1.0)


@pytest.mark.parametrize("numbers", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_what_is_no_stream_is_refused(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="two numbers at least"):
        autocorrelation(np.array(numbers))
