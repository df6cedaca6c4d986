"""Tests within a scope, against statsmodels' analyses of variance, scipy and values worked by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from orchestrator.evidence.stats.crossed import MeanSquares
from orchestrator.evidence.stats.design import (
    FixedPictures,
    Folds,
    NoPictures,
    RedrawnPictures,
    Spread,
    component,
    largest_variance,
)
from orchestrator.evidence.stats.scope import Stratum, scoped_test

VALUES = np.array([0.021, 0.034, 0.012, 0.029, 0.041, 0.018, 0.025, 0.037])
"""Of eight seeds."""


def arms(seeds: int = 5, pictures: int = 12) -> NDArray[np.float64]:
    """(arms, seeds, pictures): what each arm makes of each picture."""
    random = np.random.default_rng(4)
    hard, own = random.normal(size=pictures), random.normal(0, 0.7, (2, 1, pictures))
    noise = random.normal(0, 1, (2, seeds, pictures)) + random.normal(0, 0.3, (2, seeds, 1))
    return (hard + own + noise + np.array([0.9, 0.0])[:, None, None] > -0.3).astype(float)


def test_seeds_and_pictures_crossed_are_two_modalities_of_readers_and_cases() -> None:
    """Dorfman, Berbaum and Metz (1992) with Hillis (2007), of the three-way analysis of variance by statsmodels."""
    right = arms()
    index = pd.MultiIndex.from_product([range(size) for size in right.shape], names=["arm", "seed", "picture"])
    table = pd.DataFrame({"y": right.ravel()}, index=index).reset_index()
    fitted = ols("y ~ C(arm) * C(seed) + C(arm) * C(picture) + C(seed) * C(picture)", table).fit()
    squares = anova_lm(fitted)["sum_sq"] / anova_lm(fitted)["df"]
    pictures = max(squares["C(arm):C(picture)"] - squares["Residual"], 0)
    f = squares["C(arm)"] / (squares["C(arm):C(seed)"] + pictures)
    df = (squares["C(arm):C(seed)"] + pictures) ** 2 / (squares["C(arm):C(seed)"] ** 2 / (right.shape[1] - 1))
    assert pictures > 0

    contrast = right[0] - right[1]
    design = FixedPictures(contrast)
    found = component(Spread.of(contrast.mean(axis=1), design), design, "pictures like these")
    assert contrast.mean() ** 2 / found.variance == pytest.approx(f, abs=1e-6)
    assert found.df == pytest.approx(df, abs=1e-6)
    assert (MeanSquares.of(contrast).seeds / 2, MeanSquares.of(contrast).both / 2) == pytest.approx(
        (squares["C(arm):C(seed)"], squares["Residual"]), abs=1e-6
    )


def test_the_scope_of_these_pictures_is_student_s_error() -> None:
    contrast = arms()[0] - arms()[1]
    values = contrast.mean(axis=1)
    for design in (FixedPictures(contrast), FixedPictures(), RedrawnPictures(0.25), Folds(5), NoPictures()):
        found = scoped_test([Stratum(values, design)], 0, "these pictures")
        assert (found.error, found.df, found.withheld) == (pytest.approx(stats.sem(values)), len(values) - 1, None)
    wide = scoped_test([Stratum(values, FixedPictures(contrast))], 0, "pictures like these")
    assert wide.error > found.error and wide.p > found.p and wide.lasting > 0


def test_a_corrected_resampled_t_by_hand() -> None:
    """Nadeau and Bengio (2003): the mean over sqrt((1/n + n_test / n_train) s^2)."""
    found = scoped_test([Stratum(VALUES, RedrawnPictures(0.25))], 0.005, "pictures like these")
    square = sum((value - sum(VALUES) / 8) ** 2 for value in VALUES) / 7
    assert found.error == pytest.approx((square * (1 / 8 + 0.25)) ** 0.5, abs=1e-12)
    assert (found.df, found.n) == (7, 8)
    assert found.lasting == pytest.approx(square * 0.25)


def test_folds() -> None:
    once = scoped_test([Stratum(VALUES, Folds(8))], 0, "pictures like these")
    assert (once.error, once.df, once.lasting) == (pytest.approx(stats.sem(VALUES), abs=1e-12), 7, 0)
    again = scoped_test([Stratum(VALUES, Folds(4))], 0, "pictures like these")
    assert again.error == pytest.approx((VALUES.var(ddof=1) / 4) ** 0.5), "a second round brings no pictures"
    assert again.df == 3


@pytest.mark.parametrize("bound", [0.0, 0.01])
def test_of_symmetric_values_the_interval_is_student_s(bound: float) -> None:
    values = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / 100 + 0.03
    found = scoped_test([Stratum(values, NoPictures())], bound, "pictures like these")
    right = stats.ttest_1samp(values, bound).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((right.low, right.high), abs=1e-6)
    assert found.p > stats.ttest_1samp(values, bound).pvalue, "skewness may be worse than it seems"


def test_strata_add_their_variances_with_satterthwaite_s_degrees_of_freedom() -> None:
    """Of two strata of unequal variance with weights 1 and -1, Welch's test."""
    other = np.array([0.001, 0.052, -0.021, 0.033, 0.005])
    found = scoped_test(
        [Stratum(VALUES, NoPictures()), Stratum(other, NoPictures(), weight=-1)], 0, "pictures like these"
    )
    right = stats.ttest_ind(VALUES, other, equal_var=False)
    assert found.effect / found.error == pytest.approx(right.statistic, abs=1e-6)
    assert found.df == pytest.approx(right.df, abs=1e-6)
    mean = scoped_test([Stratum(VALUES, NoPictures(), 0.5)] * 2, 0, "pictures like these")
    assert mean.error == pytest.approx(stats.sem(VALUES) / 2**0.5), "twice as many values"


def test_without_predictions_nothing_is_said_of_other_pictures() -> None:
    found = scoped_test([Stratum(VALUES, FixedPictures())], 0, "pictures like these")
    assert found.withheld is not None and "keep_predictions" in found.withheld
    bounded = scoped_test([Stratum(VALUES, FixedPictures(largest=1e-5))], 0, "pictures like these")
    assert bounded.withheld is None
    assert bounded.error == pytest.approx((stats.sem(VALUES) ** 2 + 1e-5) ** 0.5)


def test_no_choice_of_pictures_varies_more_than_the_bound() -> None:
    random = np.random.default_rng(0)
    for weights in ([1, -1], [1, -0.5, -0.5], [0.5, 0.5, -0.5, -0.5], [1, -1, -1, 1], [1.0]):
        shares = random.beta(0.3, 0.1, (len(weights), 500))
        contrast = np.array(weights) @ shares
        assert contrast.var() / 500 <= largest_variance(np.array(weights), shares.mean(axis=1), 500)
    # two arms that never miss the same picture, each always or never
    hits = np.ones((2, 100))
    hits[0, :5] = hits[1, 5:20] = 0
    reached = largest_variance(np.array([1.0, -1.0]), hits.mean(axis=1), 100)
    assert reached == pytest.approx((hits[0] - hits[1]).var() / 100)


def test_equal_differences_have_the_p_of_their_signs() -> None:
    found = scoped_test([Stratum(np.full(6, 0.02), NoPictures())], 0, "pictures like these")
    assert (found.p, found.low, found.high) == (2 / 2**6, 0.02, 0.02)
    assert scoped_test([Stratum(np.full(6, 0.02), NoPictures())], 0.02, "pictures like these").p == 1
    both = scoped_test([Stratum(np.full(3, 0.02), NoPictures(), 0.5)] * 2, 0, "pictures like these")
    assert both.p == 2 / 2**6


def test_signs_are_tested_as_signs() -> None:
    """Nine of ten pairs are ahead: the sign test's p."""
    found = scoped_test([Stratum(np.array([1.0] * 9 + [-1.0]), NoPictures())], 0, "these pictures")
    assert found.p == pytest.approx(stats.binomtest(9, 10).pvalue)
    assert "sign-flip" in found.method


def test_too_few_and_wrong_values() -> None:
    one = scoped_test([Stratum(np.array([0.5]), NoPictures())], 0, "pictures like these")
    assert (one.effect, one.p) == (0.5, 1) and np.isnan([one.low, one.high, one.error]).all()
    two = scoped_test([Stratum(np.array([0.5, 0.6]), NoPictures())], 0, "pictures like these")
    assert two.p == 0.5 and np.isnan([two.low, two.high]).all()
    with pytest.raises(ValueError, match="one stratum"):
        scoped_test([], 0, "these pictures")
    with pytest.raises(ValueError, match="finite"):
        scoped_test([Stratum(np.array([1, np.nan]), NoPictures())], 0, "these pictures")
    with pytest.raises(ValueError, match="8 seeds"):
        scoped_test([Stratum(VALUES, FixedPictures(np.ones((3, 4))))], 0, "pictures like these")
