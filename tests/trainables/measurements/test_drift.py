"""Detectors of drift: their statistics against other programs, how often they alarm without shift, and with one."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from tests.trainables.measurements.worlds import World, world
from trainables.measurements._detector import Detector, Null
from trainables.measurements._drift import DETECTORS, Bbsd, Confidence, Labels
from trainables.measurements._mmd import Mmd

REFERENCE = world(10_000, seed=0)
CLEAN = world(30_000, seed=1)


@cache
def detector(name: str) -> Detector:
    return DETECTORS[name](REFERENCE.seen_by(name))


@cache
def null(name: str, size: int) -> Null:
    return detector(name).null(size, np.random.default_rng(2))


def windows(size: int, many: int, of: World, seed: int = 3) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(len(of.labels), size=(many, size))


def alarms(name: str, size: int, many: int, of: World, alpha: float = 0.05) -> float:
    """The share of windows that are alarms."""
    statistics = detector(name).statistics(of.seen_by(name), windows(size, many, of))
    return float((statistics > null(name, size).threshold(alpha)).mean())


# Statistics and classical p, against other programs.


def test_bbsd_and_confidence_are_scipys_kolmogorov_smirnov_also_where_outputs_are_equal() -> None:
    rng = np.random.default_rng(0)
    for decimals in (1, 2, 16):
        reference = world(300, seed=4).probabilities.round(decimals)
        examples = world(200, seed=5, noise=1.3).probabilities.round(decimals)
        places = rng.integers(200, size=(10, 40))
        for found, values in (
            (Bbsd(reference), lambda of: list(of.T)),
            (Confidence(reference), lambda of: [of.max(axis=1)]),
        ):
            statistics, p_values = found.statistics(examples, places), found.p_values(examples, places)
            for place, one in enumerate(places):
                pairs = list(zip(values(examples[one]), values(reference), strict=True))
                tests = [ks_2samp(some, others, method="asymp") for some, others in pairs]
                assert statistics[place] == pytest.approx(max(test.statistic for test in tests), abs=1e-12)
                smallest = min(1.0, len(tests) * min(test.pvalue for test in tests))
                assert p_values[place] == pytest.approx(smallest, rel=1e-9)


def test_labels_is_scipys_g_test() -> None:
    reference = np.array([0, 1, 1, 3] * 20)  # nobody is of class 2, and class 5 is new
    examples = np.array([0, 0, 1, 5, 3, 3, 3, 1])
    found, places = Labels(reference), np.array([[0, 1, 2, 2], [3, 4, 5, 6], [0, 0, 0, 0]])
    for place, one in enumerate(places):
        table = np.stack([np.bincount(examples[one], minlength=6), np.bincount(reference, minlength=6)])
        expected = chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False, lambda_="log-likelihood")
        assert found.statistics(examples, places)[place] == pytest.approx(expected.statistic, rel=1e-9)
        assert found.p_values(examples, places)[place] == pytest.approx(expected.pvalue, rel=1e-9)


def test_mmd_is_the_formula_pair_by_pair() -> None:
    reference, examples = world(60, seed=6).features + 50, world(40, seed=7, noise=1.5).features + 50
    places = np.random.default_rng(0).integers(40, size=(5, 20))
    apart = [float(((a - b) ** 2).sum()) for place, a in enumerate(reference) for b in reference[:place]]

    def nearness(some: NDArray[np.float64], others: NDArray[np.float64], *, same: bool) -> float:
        pairs = [(a, b) for i, a in enumerate(some) for j, b in enumerate(others) if not (same and i == j)]
        return float(np.mean([np.exp(-((a - b) ** 2).sum() / (2 * np.median(apart))) for a, b in pairs]))

    found = Mmd(reference).statistics(examples, places)
    for place, one in enumerate(places):
        window = examples[one]
        expected = nearness(window, window, same=True) + nearness(reference, reference, same=True)
        expected -= 2 * nearness(window, reference, same=False)
        assert found[place] == pytest.approx(expected, abs=1e-6)


def test_the_permutations_p_is_uniform_without_shift_and_small_with_one() -> None:
    found = Mmd(world(400, seed=8).features)
    fresh = [world(40, seed=seed) for seed in range(100, 200)]
    p_values = found.p_values(np.concatenate([one.features for one in fresh]), np.arange(4_000).reshape(100, 40))
    assert 0.4 < p_values.mean() < 0.6 and (p_values <= 0.05).sum() <= 11  # of a binomial that is 1 in 100
    shifted = world(40, seed=9, noise=2).features
    assert found.p_values(shifted, np.arange(40)[None])[0] == pytest.approx(1 / 201)


# Alarms without shift.


@pytest.mark.parametrize("size", [50, 200, 500])
@pytest.mark.parametrize("name", ["bbsd", "confidence", "labels", "mmd"])
def test_false_alarms_are_as_many_as_asked_for(name: str, size: int) -> None:
    assert 0.03 <= alarms(name, size, 1_000, CLEAN) <= 0.07


@pytest.mark.parametrize("name", ["bbsd", "confidence", "labels"])
def test_false_alarms_of_one_in_two_hundred_are_calibrated_too(name: str) -> None:
    """Of 20,000 windows 100 are expected; a null of 20,000 windows is as uncertain, so the sum has a deviation of 0.0007."""
    calibrated = detector(name).null(100, np.random.default_rng(5), draws=20_000)
    statistics = detector(name).statistics(CLEAN.seen_by(name), windows(100, 20_000, CLEAN))
    assert 0.003 <= (statistics > calibrated.threshold(0.005)).mean() <= 0.007


def test_a_reference_that_is_small_has_its_rate_on_average_over_references() -> None:
    """Forty references of 500 and windows of 200, of which windows drawn from the whole reference alarm twice as often."""
    calibrated, naive = [], []
    for seed in range(40):
        found = Bbsd(world(500, seed=1_000 + seed).probabilities)
        statistics = found.statistics(CLEAN.probabilities, windows(200, 300, CLEAN, seed))
        halves = found.null(200, np.random.default_rng(seed), draws=1_000)
        whole = np.random.default_rng(seed).integers(500, size=(1_000, 200))
        calibrated.append((statistics > halves.threshold(0.05)).mean())
        naive.append((statistics > Null(np.sort(found.statistics(found.reference, whole))).threshold(0.05)).mean())
    assert 0.03 <= np.mean(calibrated) <= 0.07
    assert np.mean(naive) > 1.5 * np.mean(calibrated)


# Alarms with shift.


@pytest.mark.parametrize("name", ["bbsd", "confidence", "mmd"])
def test_images_of_less_contrast_are_found(name: str) -> None:
    faint = world(30_000, seed=10, contrast=0.4)
    assert 0.4 < (faint.probabilities.argmax(axis=1) == faint.labels).mean() < 0.6  # of 0.95
    assert alarms(name, 50, 300, faint) >= 0.95


def test_classes_that_stay_away_are_missed_by_confidence_and_found_by_the_others() -> None:
    half = world(30_000, seed=11, classes=5)
    for size, finders in ((50, ("mmd", "labels")), (200, ("bbsd", "mmd", "labels"))):
        found = {name: alarms(name, size, 300, half) for name in DETECTORS}
        assert found["confidence"] <= 0.08
        assert min(found[name] for name in finders) >= 0.95


# Nulls, and what cannot be compared.


def test_the_threshold_and_the_p_say_the_same() -> None:
    drawn = Null(np.arange(1, 100) / 100)
    assert drawn.threshold(0.05) == 0.95 and drawn.threshold(0.01) == 0.99
    assert drawn.p_values(np.array([0.0, 0.95, 0.951, 0.99, 2.0])) == pytest.approx([1.0, 0.06, 0.05, 0.02, 0.01])
    for alpha in (0.0, 0.001, 1.0):
        with pytest.raises(ValueError, match="99 windows are too few"):
            drawn.threshold(alpha)


def test_equal_statistics_never_raise_the_rate() -> None:
    drawn = Null(np.array([0.0] * 50 + [1.0] * 50))
    assert drawn.threshold(0.05) == 1.0 and drawn.p_values(np.array([1.0])) > 0.5


def test_the_same_generator_gives_the_same_null() -> None:
    one, other = (detector("bbsd").null(50, np.random.default_rng(1), draws=200) for _ in range(2))
    assert np.array_equal(one.statistics, other.statistics)


@pytest.mark.parametrize("name", DETECTORS)
def test_what_cannot_be_compared_is_refused(name: str) -> None:
    reference = REFERENCE.seen_by(name)
    with pytest.raises(ValueError, match="a reference of 29 examples is too small"):
        DETECTORS[name](reference[:29])
    found = DETECTORS[name](reference[:100])
    with pytest.raises(ValueError, match="two examples at least"):
        found.statistics(reference[:5], np.zeros((3, 1), dtype=np.intp))
    with pytest.raises(ValueError, match=r"examples are \(.*\) in the reference, and \(3,.*\) here"):
        found.statistics(np.zeros((5, 3), dtype=reference.dtype), np.zeros((3, 2), dtype=np.intp))
    if reference.dtype.kind == "f":
        broken = reference[:5].copy()
        broken[0, 0] = np.nan
        with pytest.raises(ValueError, match="not finite"):
            found.p_values(broken, np.zeros((3, 2), dtype=np.intp))


@pytest.mark.parametrize("wrong", [np.array([0, -1]), np.array([0.0, 1.0])])
def test_labels_that_are_no_indices_are_refused(wrong: NDArray[np.generic]) -> None:
    found = Labels(np.arange(40) % 2)
    with pytest.raises(ValueError, match="indices of classes, from 0"):
        found.statistics(wrong, np.array([[0, 1]]))
    with pytest.raises(ValueError, match="indices of classes, from 0"):
        Labels(np.tile(wrong, 20))


@pytest.mark.parametrize("name", DETECTORS)
def test_a_net_that_answers_always_the_same_has_no_drift_and_no_alarm(name: str) -> None:
    same = {"labels": np.zeros(100, dtype=np.int64)}.get(name, np.tile([0.0, 1.0], (100, 1)))
    found = DETECTORS[name](same)
    places = np.arange(100).reshape(2, 50)
    assert found.statistics(same, places) == pytest.approx([0, 0], abs=1e-6)
    assert found.p_values(same, places).tolist() == [1.0, 1.0]
    threshold = found.null(50, np.random.default_rng(0), draws=100).threshold(0.05)
    assert not (found.statistics(same, places) > threshold).any()
