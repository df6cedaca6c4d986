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
    found = {effect.term: effect.share for effect in effects(table, "score", AXES)}
    for axis in AXES[:3]:
        assert found[axis,] == pytest.approx(alone[f"C({axis})"], abs=1e-9)
    for one, other in (("dataset", "model"), ("dataset", "optimizer"), ("model", "optimizer")):
        assert found[one, other] == pytest.approx(pairs[f"C({one}):C({other})"], abs=1e-9)
    assert found[()] == pytest.approx(pairs["Residual"], abs=1e-9)


def test_of_a_whole_grid_the_shares_are_all_there_is() -> None:
    found = effects(trials(), "score", AXES)
    assert sum(effect.share for effect in found) == pytest.approx(1, abs=0.01)  # but for the interaction of all three
    assert found[0].term == ("dataset",)
    assert found[-1].term == ()


def test_the_interval_is_over_seeds() -> None:
    found = {effect.term: effect for effect in effects(trials(seeds=8), "score", AXES)}
    main = found["dataset",]
    assert main.low < main.share < main.high < main.low + 0.1
    (alone, *_) = effects(trials(seeds=2), "score", AXES)
    assert np.isnan([alone.low, alone.high]).all()


def test_intervals_hold_the_share_of_endless_seeds() -> None:
    """Of an effect, of one that is weak, and of what is left, at five seeds: in 100 studies, to four standard errors."""

    def study(seed: int, seeds: int) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        table = pd.MultiIndex.from_product([range(seeds), range(3), range(2)], names=["seed", "model", "optimizer"])
        score = np.add.outer([0, 0.2, 0.5], [0, 0.1])[None] + random.normal(0, 0.2, (seeds, 3, 2))
        return pd.DataFrame({"score": score.ravel()}, index=table).reset_index()

    of_model, of_optimizer, noise = np.var([0, 0.2, 0.5]), np.var([0, 0.1]), 0.2**2
    squares = {("model",): of_model, ("optimizer",): of_optimizer, ("model", "optimizer"): 0.0, (): noise}
    held = dict.fromkeys(squares, 0)
    for seed in range(100):
        for effect in effects(study(seed, 5), "score", ("model", "optimizer")):
            share = squares[effect.term] / (of_model + of_optimizer + noise)
            held[effect.term] += effect.low <= share <= effect.high
    assert min(held.values()) >= 100 * (0.9 - 4 * (0.9 * 0.1 / 100) ** 0.5)


def test_an_axis_of_one_level_and_a_measure_that_does_not_vary() -> None:
    table = trials()
    assert all("regularizer" not in effect.term for effect in effects(table, "score", AXES))
    assert effects(table.assign(score=0.5), "score", AXES) == ()
    assert effects(table.assign(score=np.nan), "score", AXES) == ()
    assert effects(table, "score", ("regularizer",)) == ()
