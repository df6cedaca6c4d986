"""The decomposition of variance, against statsmodels and hand values."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from orchestrator.evidence.stats.effects import effects

AXES = ("dataset", "model", "optimizer", "regularizer")


def trials(seed: int = 0, seeds: int = 4, noise: float = 0.1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "dataset": dataset,
            "model": model,
            "optimizer": optimizer,
            "regularizer": "none",
            "seed": number,
            "score": (dataset == "x") + (model == "m1") * (optimizer == "o1") + noise * random.normal(),
        }
        for dataset in "xy"
        for model in ("m1", "m2", "m3")
        for optimizer in ("o1", "o2")
        for number in range(seeds)
    )


@pytest.mark.parametrize("holes", [0, 7])
def test_statsmodels_type_2(holes: int) -> None:
    table = trials().sample(frac=1, random_state=1).iloc[holes:]
    with_pairs = ols("score ~ (C(dataset) + C(model) + C(optimizer))**2", table).fit()
    mains = ols("score ~ C(dataset) + C(model) + C(optimizer)", table).fit()
    total = ((table["score"] - table["score"].mean()) ** 2).sum()
    pairs, alone = (anova_lm(fit, typ=2)["sum_sq"] / total for fit in (with_pairs, mains))
    found = {effect.term: effect.share for effect in effects(table, "score", AXES, resamples=0)}
    for axis in AXES[:3]:
        assert found[axis,] == pytest.approx(alone[f"C({axis})"], abs=1e-9)
    for one, other in (("dataset", "model"), ("dataset", "optimizer"), ("model", "optimizer")):
        assert found[one, other] == pytest.approx(pairs[f"C({one}):C({other})"], abs=1e-9)
    assert found[()] == pytest.approx(pairs["Residual"], abs=1e-9)


def test_of_a_whole_grid_the_shares_are_all_there_is() -> None:
    found = effects(trials(), "score", AXES, resamples=0)
    assert sum(effect.share for effect in found) == pytest.approx(1, abs=0.01)  # but for the interaction of all three
    assert found[0].term == ("dataset",)
    assert found[-1].term == ()


def test_the_interval_is_over_seeds() -> None:
    found = {effect.term: effect for effect in effects(trials(seeds=8), "score", AXES)}
    main = found["dataset",]
    assert main.low < main.share < main.high < main.low + 0.1
    assert effects(trials(seeds=8), "score", AXES) == tuple(found.values()), "the same data give the same figures"
    (alone, *_) = effects(trials(seeds=1), "score", AXES)
    assert np.isnan([alone.low, alone.high]).all()


def test_an_axis_of_one_level_and_a_measure_that_does_not_vary() -> None:
    table = trials()
    assert all("regularizer" not in effect.term for effect in effects(table, "score", AXES, resamples=0))
    assert effects(table.assign(score=0.5), "score", AXES) == ()
    assert effects(table.assign(score=np.nan), "score", AXES) == ()
    assert effects(table, "score", ("regularizer",)) == ()
