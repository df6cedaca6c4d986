"""Ranks over data sets, against Demsar's own example, autorank and scipy."""

import warnings

import numpy as np
import pandas as pd
import pytest
from autorank import autorank
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats
from scipy.integrate import quad

from orchestrator.evidence.stats.ranks import ranks

DEMSAR = pd.DataFrame(
    {  # table 6 of the paper: AUC of C4.5 with m and cf tuned or not, on 14 data sets
        "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
        "C4.5+m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
        "C4.5+cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
        "C4.5+m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
    }
)


def test_demsar_s_example() -> None:
    """Section 3.2.2: average ranks 3.143, 2.000, 2.893, 1.964, chi squared 9.28; Nemenyi's critical difference 1.25."""
    found = ranks(DEMSAR)
    assert found.average.to_dict() == pytest.approx(
        {"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}, abs=5e-4
    )
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert found.p == pytest.approx(stats.friedmanchisquare(*DEMSAR.to_numpy().T).pvalue)
    assert found.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)


@pytest.mark.parametrize("seed", range(3))
def test_autorank_s(seed: int) -> None:
    scores = pd.DataFrame(np.random.default_rng(seed).normal(size=(12, 5)) + np.arange(5), columns=list("abcde"))
    found = ranks(scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = autorank(scores, alpha=0.05, force_mode="nonparametric", verbose=False)
    assert found.average.to_dict() == pytest.approx(right.rankdf["meanrank"].to_dict())
    assert found.critical_difference == pytest.approx(
        right.cd, rel=1e-4
    )  # its quantile is an approximation (Gleason 1999)
    assert found.p == pytest.approx(right.pvalue)


@pytest.mark.parametrize("arms", [3, 5, 9])
def test_nemenyi_s_p_values_as_scikit_posthocs_has_them(arms: int) -> None:
    scores = pd.DataFrame(np.random.default_rng(arms).normal(size=(11, arms)).round(1) + np.arange(arms))
    found = ranks(scores).p_values.sort_index().sort_index(axis=1)
    assert found.to_numpy().min() < 0.05
    np.testing.assert_allclose(found.to_numpy(), posthoc_nemenyi_friedman(scores.to_numpy()).to_numpy(), atol=1e-12)


def test_the_critical_difference_by_integration() -> None:
    """The range of five normal ranks stays below it in 95 % of cases."""
    found = ranks(pd.DataFrame(np.random.default_rng(0).normal(size=(12, 5))))
    reach = found.critical_difference * np.sqrt(2) / np.sqrt(5 * 6 / (6 * 12))

    def density(z: float) -> float:
        return float(5 * stats.norm.pdf(z) * (stats.norm.cdf(z + reach) - stats.norm.cdf(z)) ** 4)

    assert quad(density, -10, 10, epsabs=1e-12)[0] == pytest.approx(0.95, abs=1e-9)


def test_p_values_and_groups_say_the_same() -> None:
    scores = pd.DataFrame(np.random.default_rng(8).normal(size=(15, 6)) + 0.7 * np.arange(6), columns=list("abcdef"))
    found = ranks(scores)
    for one in scores:
        for other in scores:
            together = one == other or any({one, other} <= set(group) for group in found.groups)
            assert together == (found.p_values.loc[one, other] > 0.05)


def test_lower_may_be_better() -> None:
    assert ranks(-DEMSAR, higher_is_better=False).average.to_dict() == ranks(DEMSAR).average.to_dict()


def test_arms_that_are_all_alike() -> None:
    found = ranks(pd.DataFrame({name: [0.5, 0.6, 0.7, 0.8, 0.9] for name in "abc"}))
    assert (found.p, set(found.average)) == (1.0, {2.0})
    assert found.groups == (("a", "b", "c"),)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (DEMSAR[["C4.5", "C4.5+m"]], "three arms"),
        (DEMSAR.head(4), "5 blocks"),
        (DEMSAR.replace(0.599, np.nan), "in each block"),
    ],
)
def test_what_cannot_be_ranked(scores: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranks(scores)
