"""`orchestrator.load`."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import orchestrator
from orchestrator.errors import DamagedResults, GridError, UserError
from orchestrator.notebook.load import Results
from results_schema import TABLES
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell

MLP, CNN = Cell(model="mlp"), Cell(model="cnn")
LOW = [0.90 + 0.001 * seed for seed in range(10)]
HIGH = [0.95 + 0.002 * seed for seed in range(10)]
CLAIM = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("loading") / "demo", {MLP: LOW, CNN: HIGH}, CLAIM).root


@pytest.fixture
def results(root: Path) -> Results:
    return orchestrator.load(root)


@pytest.mark.parametrize("name", [table.name for table in TABLES])
def test_each_table_in_each_frame(results: Results, name: str) -> None:
    arrow = results.table(name, "arrow")
    assert isinstance(arrow, pa.Table)
    pandas, polars = results.table(name), results.table(name, "polars")
    assert isinstance(polars, pl.DataFrame)
    assert list(pandas.columns) == arrow.column_names == polars.columns
    assert len(pandas) == arrow.num_rows == polars.height
    pd.testing.assert_frame_equal(getattr(results, name), pandas)


def test_cells_are_ranked_with_their_intervals(results: Results) -> None:
    cells = results.cells()
    assert cells["model"].to_list() == ["cnn", "mlp"]
    best = cells.iloc[0]
    assert best["mean"] == pytest.approx(sum(HIGH) / 10)
    assert best["low"] < best["mean"] < best["high"]
    assert cells["ties"].to_list() == [True, False]


def test_claims_and_a_comparison_say_the_same_but_for_when_they_were_made(results: Results) -> None:
    claims = results.claims()
    verdict = results.compare({"model": "cnn"}, {"model": "mlp"})
    assert claims.loc[0, "verdict"] == verdict.outcome == "supported"
    assert claims.loc[0, "effect"] == verdict.effect
    assert claims.loc[0, "p"] == verdict.p
    assert (bool(claims.loc[0, "post_hoc"]), verdict.post_hoc) == (False, True)


def test_a_comparison_is_shown_in_the_words_of_the_command(results: Results) -> None:
    shown = repr(results.compare({"model": "cnn"}, {"model": "mlp"}))
    first, arms, effect, *_ = shown.splitlines()
    assert first == "compare  supported (post hoc): model cnn is better than model mlp"
    assert arms.startswith("  test_accuracy: ") and "mlp" in arms
    assert "difference 0." in effect and "p = " in effect
    assert not any(made in shown for made in ("Verdict(", "Claim(", "Finding(", "array("))
    assert max(map(len, shown.splitlines())) < 250


def test_a_comparison_by_another_measure_within_some_cells(results: Results) -> None:
    verdict = results.compare(
        {"model": "cnn"}, {"model": "mlp"}, "test_cross_entropy", margin=10.0, where={"dataset": "digits"}
    )
    assert verdict.outcome == "contradicted"
    with pytest.raises(GridError, match="cnm"):
        results.compare({"model": "cnm"}, {"model": "mlp"})


def test_what_is_not_there(root: Path, results: Results, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no results directory"):
        orchestrator.load(tmp_path / "none")
    with pytest.raises(UserError, match="the tables are trials, tuning_trials"):
        results.table("trails")
    with pytest.raises(AttributeError, match="lode"):
        _ = orchestrator.lode  # type: ignore[attr-defined]


def test_a_damaged_table_is_said_to_be(tmp_path: Path) -> None:
    root = write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}).root
    (root / "trials.parquet").write_bytes((root / "trials.parquet").read_bytes()[:-50])
    with pytest.raises(DamagedResults, match="orch repair"):
        _ = orchestrator.load(root).trials


def test_a_missing_table_without_a_journal_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}, CLAIM).root
    (root / "journal.sqlite").unlink()
    assert len(orchestrator.load(root).trials) == 20
    (root / "curves.parquet").unlink()
    with pytest.raises(UserError, match=r"curves\.parquet is missing, and there is no journal to write it from"):
        _ = orchestrator.load(root).curves


def test_claims_warn_of_damaged_tables(tmp_path: Path) -> None:
    root = write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}, CLAIM).root
    (root / "trials.parquet").write_bytes(b"noise")
    with pytest.warns(UserWarning, match=r"trials\.parquet"):
        claims = orchestrator.load(root).claims()
    assert list(claims["verdict"]) == ["supported"], "from the journal"
    assert claims.attrs["dropped"] == []


def test_it_says_what_it_is(results: Results) -> None:
    assert repr(results).endswith("demo: 20 of 20 trials completed>")


def test_a_comparison_takes_what_stands_in_notebooks(results: Results) -> None:
    models = results.trials["model"].unique()
    verdict = results.compare({"model": models[models != "mlp"]}, {"model": np.str_("mlp")}, margin=np.float64(0.01))
    assert (verdict.outcome, verdict.bound) == ("supported", 0.01)


def test_a_profile_of_how_soon_a_target_is_reached(results: Results) -> None:
    reached = results.epochs.groupby("trial_id")["val_accuracy"].max().min()
    profile = results.profile("model", reach=reached, clock="epochs", ratios=[1, 1e6])
    assert sorted(profile.columns) == ["cnn", "mlp"]
    assert profile.loc[1e6].to_list() == [1.0, 1.0]
    assert results.profile("model", reach=2.0).to_numpy().max() == 0  # nobody gets there
    with pytest.raises(UserError, match="'colour'"):
        results.profile("colour", reach=0.5)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="'gradient_norm' cannot be reached"):
        results.profile("model", reach=0.5, of="gradient_norm")
