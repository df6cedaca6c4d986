"""Ranked cells: ties are ties, and nothing that broke is dropped."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestrator.evidence.stats.design import NoPictures, RedrawnPictures
from orchestrator.evidence.stats.leaderboard import COLUMNS, leaderboard, mean_interval, rivals
from orchestrator.evidence.stats.paired import holm
from orchestrator.evidence.stats.scope import Stratum, scoped_test

SEEDS = range(8)
SPREAD = np.random.default_rng(1).normal(0, 0.004, (3, len(SEEDS)))
BROKE = ["diverged", "diverged", "failed", "out_of_memory", "pending", *["skipped"] * 3]


def cell(name: str, mean: float, spread: np.ndarray, **other: object) -> pd.DataFrame:
    scores = mean + spread
    rows = {"cell_id": name, "seed": list(SEEDS), "status": "completed", "test_size": 1000}
    return pd.DataFrame(rows | {"val_accuracy": scores + 0.001, "test_accuracy": scores} | other)


TRIALS = pd.concat(
    [
        cell("bad", 0.80, SPREAD[0]),
        cell("good", 0.92, SPREAD[1]),
        cell("as good", 0.9195, SPREAD[2]),
        cell("broke", np.nan, SPREAD[0], status=BROKE),
    ],
    ignore_index=True,
)


def board(trials: pd.DataFrame = TRIALS) -> pd.DataFrame:
    found = leaderboard(trials, measure="test_accuracy", selection="val_accuracy")
    assert tuple(found.columns) == COLUMNS
    return found.set_index("cell_id")


def test_the_order_and_the_ties() -> None:
    found = board()
    assert list(found.index)[2:] == ["bad", "broke"]
    assert found["ties"].to_dict() == {"good": True, "as good": True, "bad": False, "broke": False}
    assert found.loc["bad", "rank"] == 3
    assert np.isnan(found.loc["broke", "rank"])


def test_fewer_seeds_than_could_tell_leave_open_whether_a_cell_ties() -> None:
    few = board(TRIALS[TRIALS["seed"].isin(SEEDS[:3])])["ties"]
    assert few["good"] and few["broke"] is not pd.NA and not few["broke"]
    assert few["as good"] is pd.NA


def test_an_interval_ends_where_scores_do() -> None:
    near = cell("near", 0.99, np.array([0.01, 0.01, -0.03, 0.01, 0.01, 0.0, 0.01, 0.01]))
    free = leaderboard(near, measure="test_accuracy", selection="val_accuracy").iloc[0]
    held = leaderboard(near, measure="test_accuracy", selection="val_accuracy", bounds=(0.0, 1.0)).iloc[0]
    assert free["high"] > 1, "or the test shows nothing"
    assert (held["low"], held["high"]) == (free["low"], 1.0)


def test_equal_values_have_no_interval() -> None:
    found = leaderboard(cell("same", 0.9, np.zeros(8)), measure="test_accuracy", selection="val_accuracy").iloc[0]
    assert (found["mean"], found["spread"]) == (0.9, 0.0)
    assert np.isnan([found["low"], found["high"]]).all()
    assert found["scope"] is None


def test_the_figures() -> None:
    found, scores = board(), {name: part["test_accuracy"].to_numpy() for name, part in TRIALS.groupby("cell_id")}
    first, *others = found.index[:3]
    right = mean_interval(scores["bad"])
    assert (
        found.loc["bad", ["mean", "low", "high", "spread", "n"]] == [right.mean, right.low, right.high, right.spread, 8]
    ).all()
    strata = [[Stratum(scores[first] - scores[other], NoPictures())] for other in others]
    p = holm([scoped_test(one, 0, "these pictures", signs=False).p for one in strata])
    assert found.loc[others, "p"].to_list() == pytest.approx(p.tolist(), rel=1e-6)
    assert found.loc["good", "over_floor"] == pytest.approx(
        scores["good"].std(ddof=1) / np.sqrt(scores["good"].mean() * (1 - scores["good"].mean()) / 1000)
    )


def test_what_broke_is_counted() -> None:
    row = board().loc["broke"]
    assert row[["diverged", "failed", "timed_out", "out_of_memory", "waiting", "n"]].to_list() == [2, 1, 0, 1, 1, 0]


def test_what_broke_counts_in_mean_and_rank() -> None:
    trials = TRIALS.copy()
    broke = (trials["cell_id"] == "good") & (trials["seed"] < 6)
    trials.loc[broke, ["status", "test_accuracy", "val_accuracy"]] = ["diverged", np.nan, np.nan]
    found = board(trials)
    assert list(found.index) == ["as good", "bad", "good", "broke"]
    row = found.loc["good"]
    assert (row["n"], row["diverged"], row["rank"], row["counted_as"], row["ties"]) == (2, 6, 3, 0, False)
    assert row["mean"] == pytest.approx(TRIALS[TRIALS["cell_id"] == "good"]["test_accuracy"].iloc[6:].sum() / 8)
    assert row["low"] < 0.3 < row["high"]
    assert np.isnan(found.loc["bad", "counted_as"])


def test_of_losses_what_broke_counts_as_the_worst_seen() -> None:
    trials = TRIALS.rename(columns={"val_accuracy": "val_mse", "test_accuracy": "test_mse"})
    trials.loc[(trials["cell_id"] == "bad") & (trials["seed"] == 0), ["status", "test_mse"]] = ["failed", np.nan]
    found = leaderboard(trials, measure="test_mse", selection="val_mse", higher_is_better=False)
    assert found["counted_as"].iloc[0] == trials["test_mse"].max()


def test_rivals_of_the_first_are_those_not_told_from_it() -> None:
    found = leaderboard(TRIALS, measure="test_accuracy", selection="val_accuracy")
    assert set(rivals(found)) == {"good", "as good"} and rivals(found)[0] == found["cell_id"].iloc[0]
    few = leaderboard(TRIALS[TRIALS["seed"] < 2], measure="test_accuracy", selection="val_accuracy")
    assert set(rivals(few)) == {"good", "as good", "bad"}, "two seeds rule nothing out"


def test_redrawn_splits_tell_less_apart() -> None:
    def p(design: NoPictures | RedrawnPictures) -> "pd.Series[float]":
        found = leaderboard(TRIALS, measure="test_accuracy", selection="val_accuracy", designs=lambda *_: design)
        return found.set_index("cell_id")["p"].drop("broke").dropna()

    assert (p(RedrawnPictures(0.25)) > p(NoPictures())).all()


def test_one_seed_tells_nothing_apart() -> None:
    found = board(TRIALS[(TRIALS["seed"] == 0) & (TRIALS["cell_id"] != "broke")])
    assert found["ties"].fillna(False).to_list() == [True, False, False], "the first with itself"
    assert found["ties"].isna().to_list() == [False, True, True]
    assert found[["p", "low"]].isna().all(axis=None)


def test_an_empty_table() -> None:
    assert leaderboard(TRIALS.head(0), measure="test_accuracy", selection="val_accuracy").empty


def test_errors_are_ranked_the_other_way() -> None:
    trials = TRIALS.rename(columns={"val_accuracy": "val_mse", "test_accuracy": "test_mse"})
    found = leaderboard(trials, measure="test_mse", selection="val_mse", higher_is_better=False)
    assert found["cell_id"].iloc[0] == "bad"
    assert found["over_floor"].isna().all()


@pytest.mark.parametrize("seeds", [2, 3])
def test_cells_that_are_alike_are_told_apart_in_no_more_sweeps_than_one_in_twenty(seeds: int) -> None:
    """12 equal cells, accuracies of 360 examples: with two seeds, differences of whole steps are often equal."""
    random, wrong, sweeps = np.random.default_rng(7), 0, 30
    for _ in range(sweeps):
        scores = random.binomial(360, 0.95, (12, seeds)) / 360
        cells = [
            pd.DataFrame(
                {"cell_id": str(n), "seed": range(seeds), "status": "completed", "test_size": 360}
                | {"val_accuracy": one, "test_accuracy": one}
            )
            for n, one in enumerate(scores)
        ]
        trials = pd.concat(cells, ignore_index=True)
        found = leaderboard(trials, measure="test_accuracy", selection="val_accuracy")
        wrong += (found["p"] <= 0.05).any()
    assert wrong <= stats.binom.ppf(0.999, sweeps, 0.05)


def test_a_score_that_is_not_finite_counts_as_the_worst() -> None:
    trials = TRIALS.copy()
    trials.loc[0, "test_accuracy"] = np.inf
    assert board(trials).loc["bad", "mean"] == pytest.approx(TRIALS["test_accuracy"].iloc[1:8].sum() / 8)
