"""The leaderboard is about pictures like these, and what broke counts in it as chance."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import orchestrator
from orchestrator.cli import run
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.stats.design import FixedPictures
from orchestrator.evidence.stats.scope import Stratum, scoped_test
from orchestrator.grid.measures import chance_of
from orchestrator.report.contents import read_page
from orchestrator.report.markdown import markdown
from orchestrator.results.ranked import ranked_cells, scope_of
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import Change, write
from tests.orchestrator.evidence.test_scopes import AHEAD, BEHIND, CNN, DIFFERENCES, MLP, by_design
from tests.orchestrator.sample import Cell
from trainables.records import SplitDesign, TrialResult

RESNET = Cell(model="resnet")
RATIO = 360 / 1257
"""Test pictures over those that train, of the sample's trials."""


def both(change: Change) -> dict[Cell, Change]:
    return dict.fromkeys((MLP, CNN), change)


def cells(root: Path) -> pd.DataFrame:
    return orchestrator.load(root).cells().set_index("model")


def test_where_splits_are_redrawn_intervals_and_p_have_the_corrected_variance(tmp_path: Path) -> None:
    """Hand values after Nadeau and Bengio (2003); symmetric differences, so skewness takes nothing away but its caution."""
    found = cells(write(tmp_path / "demo", {MLP: BEHIND, CNN: AHEAD}).root)
    reach = stats.t.ppf(0.975, 9) * np.std(BEHIND, ddof=1) * (1 / 10 + RATIO) ** 0.5
    low, high = found.loc["mlp", ["low", "high"]]
    assert (low, high) == pytest.approx((np.mean(BEHIND) - reach, np.mean(BEHIND) + reach), abs=1e-6)
    t = 0.01 / (DIFFERENCES.std(ddof=1) * (1 / 10 + RATIO) ** 0.5)
    student = 2 * stats.t.sf(t, 9)
    alone = 2 * stats.t.sf(0.01 / (DIFFERENCES.std(ddof=1) / 10**0.5), 9)
    assert alone < student <= found.loc["mlp", "p"] < 0.05
    assert set(found["scope"]) == {"pictures like these"}
    assert scope_of(found) == "intervals, p and ties are about pictures like these"


@pytest.mark.parametrize("design", ["official", "fixed"])
def test_without_predictions_an_accuracy_has_what_pictures_bring_at_most(design: SplitDesign, tmp_path: Path) -> None:
    found = cells(write(tmp_path / "demo", {MLP: BEHIND, CNN: AHEAD}, changes=both(by_design(design))).root)
    mean = float(np.mean(BEHIND))
    seeds, pictures = np.var(BEHIND, ddof=1) / 10, mean * (1 - mean) / 360
    df = (seeds + pictures) ** 2 / (seeds**2 / 9)
    reach = stats.t.ppf(0.975, df) * (seeds + pictures) ** 0.5
    assert (found.loc["mlp", "high"] - found.loc["mlp", "low"]) / 2 == pytest.approx(reach, abs=1e-6)
    assert found.loc["mlp", "p"] > 0.05, "360 pictures tell no more of 1 % where nothing is known of them"
    assert set(found["scope"]) == {"pictures like these"}


def test_what_cannot_be_told_of_pictures_like_these_is_withheld_and_says_why(tmp_path: Path) -> None:
    mlp, cnn = (Cell(model=model, select="val_loss") for model in ("mlp", "cnn"))

    def change(ended: TrialResult) -> TrialResult:
        return replace(by_design("official")(ended), test=replace(ended.test, cross_entropy=1 - ended.test.accuracy))

    paths = write(tmp_path / "demo", {mlp: BEHIND, cnn: AHEAD}, changes=dict.fromkeys((mlp, cnn), change))
    found = cells(paths.root)
    assert set(found["measure"]) == {"test_cross_entropy"}
    assert found["p"].isna().all()
    assert set(found["scope"]) == {"these pictures"}
    page = read_page(paths)
    (board,) = page.boards
    assert "intervals are about these pictures alone, and their p and ties are withheld: without predictions" in (
        board.summary
    )
    told, about, _ = [notice.what for notice in page.winners[0].sure]
    assert told.startswith("It cannot be compared with any other: without predictions")
    assert about == "The interval is about these pictures."
    assert "withheld: without predictions" in markdown(page)


def test_a_sweep_that_keeps_predictions_has_seeds_and_pictures_crossed(tmp_path: Path) -> None:
    grid, root = tmp_path / "grid.yaml", tmp_path / "results"
    grid.write_text(
        "name: crossed\naxes: {dataset: [{name: digits, per_class: 30}], model: [{name: mlp, hidden: [8]}, {name: mlp,"
        " hidden: [32]}], optimizer: [{name: sgd, lr: 0.1}]}\nseeds: 4\nprotocol: {epochs: 2, splits: {test_seed: 0}}\n"
    )
    assert run(["sweep", str(grid), "--engine", "inline", "--results", str(root), "--wandb", "disabled", "-q"]) == 0
    results = orchestrator.load(root)
    said = results.predictions().merge(results.examples, on=["split_id", "position"])
    right = said.assign(right=(said["predicted"] == said["target"]).astype(float)).merge(
        results.trials[["trial_id", "model", "seed"]].astype({"trial_id": str}), on="trial_id"
    )
    means: pd.DataFrame = right.pivot_table(index="seed", columns=["model", "position"], values="right")
    found = results.cells()
    first, other = found["model"]
    one = means[first].to_numpy()
    alone = scoped_test([Stratum(one.mean(axis=1), FixedPictures(one))], 0.0, "pictures like these")
    assert tuple(found.loc[0, ["low", "high"]]) == pytest.approx((max(0.0, alone.low), alone.high), abs=1e-6)
    contrast = one - means[other].to_numpy()
    apart = [Stratum(contrast.mean(axis=1), FixedPictures(contrast))]
    assert found.loc[1, "p"] == pytest.approx(scoped_test(apart, 0.0, "pictures like these", signs=False).p, abs=1e-6)
    # what broke brings chance, on each picture
    trials = results.trials.copy()
    trials.loc[trials.index[0], ["status", "test_accuracy", "val_accuracy"]] = ["failed", np.nan, np.nan]
    broke = ranked_cells(trials, {str(trials["dataset"].iloc[0]): 10}, KeptPictures(ResultsPaths(root)))
    row = broke[broke["model"] == trials["model"].iloc[0]].iloc[0]
    own = means[trials["model"].iloc[0]].to_numpy().copy()
    own[0] = 0.1
    by_hand = scoped_test([Stratum(own.mean(axis=1), FixedPictures(own))], 0.0, "pictures like these")
    assert row["counted_as"] == pytest.approx(0.1)
    ends = np.clip([by_hand.low, by_hand.high], 0.0, 1.0)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((own.mean(), *ends), abs=1e-6)


def test_what_broke_counts_as_chance_has_it(tmp_path: Path) -> None:
    """The sample's data have three classes."""
    values = [*BEHIND[:8], "diverged", "failed"]
    paths = write(tmp_path / "demo", {MLP: values, CNN: AHEAD})
    found = cells(paths.root)
    assert found.loc["mlp", "counted_as"] == pytest.approx(1 / 3)
    assert found.loc["mlp", "mean"] == pytest.approx((sum(BEHIND[:8]) + 2 / 3) / 10)
    assert bool(found.loc["mlp", "is_chance"])
    (board,) = read_page(paths).boards
    assert "1 has trials that diverged or failed, which count as 0.3333 (chance) in mean, rank and p" in board.summary


def test_chance_of_each_measure() -> None:
    """An answer that says every class as often: expectations on as many examples of each class."""
    assert chance_of("test_accuracy", 10) == chance_of("val_balanced_accuracy", 10) == pytest.approx(0.1)
    assert chance_of("test_f1_macro", 4) == chance_of("test_average_precision_macro", 4) == pytest.approx(0.25)
    assert chance_of("test_roc_auc_macro", 4) == 0.5
    assert chance_of("test_top5_accuracy", 10) == 0.5
    assert chance_of("test_kappa", 3) == chance_of("test_matthews", 3) == 0
    assert chance_of("test_cross_entropy", 10) == pytest.approx(np.log(10))
    uniform = np.full(5, 0.2) - np.eye(5)[0]
    assert chance_of("test_brier", 5) == pytest.approx(float(uniform @ uniform))
    assert chance_of("test_mse", 10) is chance_of("test_ece", 10) is chance_of("test_accuracy", 0) is None


def test_the_leaderboard_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(write(tmp_path / "demo", {MLP: [*BEHIND[:9], "diverged"], CNN: AHEAD}).root)
    assert run(["results", root, "--cells"]) == 0
    shown = capsys.readouterr()
    assert "0.9" in shown.out and "cnn" in shown.out
    assert shown.err == (
        "digits: intervals, p and ties are about pictures like these;"
        " trials that diverged or failed count as 0.3333 (chance)\n"
    )
    assert run(["results", root, "--cells", "--json"]) == 0
    first, second, baseline = json.loads(capsys.readouterr().out)
    assert (first["model"], first["scope"], first["withheld"], first["rank"]) == ("cnn", "pictures like these", None, 1)
    assert (second["is_chance"], second["diverged"]) == (True, 1)
    assert (baseline["statuses"], baseline["n"], baseline["cell_id"]) == ("no trial", 0, None)
    assert baseline["measure"] == first["measure"] and 0 < baseline["mean"] < second["mean"]
    assert run(["results", root, "--cells", "--limit", "1"]) == 2
    assert "--cells shows a table of its own" in capsys.readouterr().err
