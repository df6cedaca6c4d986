"""How many seeds it takes, by simulation of the test that decides."""

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.evidence.stats.design import FixedPictures, Folds, NoPictures, RedrawnPictures
from orchestrator.evidence.stats.more_seeds import FOLDED, PICTURES, TOO_CLOSE, seeds_needed
from orchestrator.evidence.stats.scope import Stratum, scoped_test


def standardised(mean: float, n: int = 12) -> NDArray[np.float64]:
    """n symmetric values of this mean, whose standard deviation is 1."""
    values = np.arange(n) - (n - 1) / 2
    return values / values.std(ddof=1) + mean


@pytest.mark.parametrize("effect", [0.6, 0.9])
def test_so_many_decide_it_with_the_power_asked_for(effect: float) -> None:
    found = seeds_needed([Stratum(standardised(effect), NoPictures())], 0, "these pictures").pairs
    assert found is not None
    random = np.random.default_rng(1)
    decided = [
        scoped_test([Stratum(random.normal(effect, 1, found), NoPictures())], 0, "these pictures").p <= 0.05
        for _ in range(1_000)
    ]
    assert np.mean(decided) == pytest.approx(0.8, abs=0.06)


def test_a_bound_moves_it() -> None:
    values = standardised(0.8)
    assert seeds_needed([Stratum(values + 1, NoPictures())], 1, "these pictures") == seeds_needed(
        [Stratum(values, NoPictures())], 0, "these pictures"
    )
    assert seeds_needed([Stratum(standardised(0.0), NoPictures())], 0, "these pictures").reason == TOO_CLOSE


def test_redrawn_splits_and_shared_pictures_set_a_limit() -> None:
    """The least effect that 10,000 seeds tell is some 2.8 standard errors of what stays: sqrt(0.25) spreads."""
    for effect, decided in ((1.3, False), (1.5, True)):
        found = seeds_needed([Stratum(standardised(effect), RedrawnPictures(0.25))], 0, "pictures like these")
        assert (found.pairs is not None) is decided
        assert found.reason == (None if decided else PICTURES)
    shared = [Stratum(standardised(0.5), FixedPictures(largest=0.25))]
    assert seeds_needed(shared, 0, "pictures like these").reason == PICTURES
    assert seeds_needed(shared, 0, "these pictures").pairs is not None


def test_folds_are_a_limit_too_once_each_has_been_tested_on() -> None:
    used_up = seeds_needed([Stratum(standardised(0.7, 5), Folds(5))], 0, "pictures like these")
    assert used_up.reason == FOLDED, "it would be odd to advise what there is"
    left = seeds_needed([Stratum(standardised(1.4, 7), Folds(20))], 0, "pictures like these")
    assert left.pairs is not None
    assert 7 < left.pairs <= 20, "further folds of the round are further pictures"


def test_more_strata_need_fewer_seeds_of_each() -> None:
    one = seeds_needed([Stratum(standardised(0.6), NoPictures())], 0, "these pictures").pairs
    two = seeds_needed([Stratum(standardised(0.6), NoPictures(), 0.5)] * 2, 0, "these pictures").pairs
    assert one is not None and two is not None
    assert two / 2 < one


def test_equal_differences_need_no_more_than_their_signs() -> None:
    assert seeds_needed([Stratum(np.full(3, 0.1), NoPictures())], 0, "these pictures").pairs == 6
    assert seeds_needed([Stratum(np.full(3, 0.1), NoPictures())], 0, "these pictures", alpha=0.01).pairs == 8
