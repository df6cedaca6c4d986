"""A sweep with the section `update`: what it adds to earlier results, and what it leaves as it was."""

import json
from pathlib import Path

import pandas as pd
import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.report.contents import read_page
from orchestrator.store.paths import ResultsPaths

GRID = """\
name: sweep
axes: {dataset: digits, model: [{name: mlp, hidden: 16}, {name: mlp, hidden: 8}], optimizer: {name: adam, lr: 0.01}}
seeds: 2
protocol: {epochs: 3, splits: {test: 0.4}, keep_weights: best}
wandb: {mode: disabled}
"""
UPDATE = "update: {blocks: 4, shift: {name: rotate, severity: 5, from: 1}, policies: [never, {periodic: 2}, always]}\n"
RESULTS = Path("results/sweep")


def sweep(text: str) -> None:
    Path("grid.yaml").write_text(text)
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0


def table(name: str) -> pd.DataFrame:
    return pd.read_parquet(RESULTS / f"{name}.parquet")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_earlier_results_get_nets_along_a_stream_and_stay_what_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(GRID)
    before, predicted = table("trials"), len(pd.read_parquet(RESULTS / "predictions.parquet"))
    cells = orchestrator.load(RESULTS).cells()
    sweep(GRID + UPDATE)
    pd.testing.assert_frame_equal(table("trials"), before)
    pd.testing.assert_frame_equal(orchestrator.load(RESULTS).cells(), cells)
    along, measured = table("update_trials"), table("measurements")
    assert (len(along), len(measured)) == (2 * 2 * 4, 2 * 2 * 4)
    assert set(along["purpose"]) == {"update"} and set(along["status"]) == set(measured["status"]) == {"completed"}
    assert set(measured["parent_id"]) == set(along["trial_id"])
    assert sorted(along["dataset"].unique()) == ["digits", "digits(seen=1)", "digits(seen=2)", "digits(seen=3)"]
    assert along["stream_alarms"].notna().any() and len(table("prequential")) == 2 * 2 * (4 + 3 + 2 + 1)
    assert len(pd.read_parquet(RESULTS / "predictions.parquet")) == predicted

    sweep(GRID + UPDATE)
    pd.testing.assert_frame_equal(table("update_trials"), along)

    capsys.readouterr()
    assert run(["results", str(RESULTS), "--updates", "--json"]) == 0
    told = pd.DataFrame(json.loads(capsys.readouterr().out))
    assert list(told["policy"].unique()) == ["never", "periodic 2", "always"] and told["reason"].isna().all()
    of = told.set_index(["model", "seed", "policy"])
    assert (of.xs("periodic 2", level="policy")["retrainings"] == 1).all()
    assert (of.xs("always", level="policy")["accuracy"] > of.xs("never", level="policy")["accuracy"]).all()
    assert run(["results", str(RESULTS), "--updates"]) == 0
    assert "periodic 2" in capsys.readouterr().out
    assert set(orchestrator.load(RESULTS).updates(every=3)["policy"]) > {"periodic 3", "on_alarm"}

    assert run(["status", str(RESULTS)]) == 0
    assert "(updates)            16" in capsys.readouterr().out
    trial = str(along["trial_id"].iloc[0])
    assert run(["logs", str(RESULTS), trial]) == 0
    assert "update: a net along a stream" in capsys.readouterr().out


def test_more_is_measured_of_the_others_alone() -> None:
    sweep(GRID + UPDATE)
    along = table("measurements")
    assert run(["measure", str(RESULTS), "groups", "--engine", "inline", "-q"]) == 0
    found = table("measurements")
    assert sorted(found["measurement"].unique()) == ["groups", "prequential"]
    assert set(found.loc[found["measurement"] == "groups", "parent_id"]) == set(table("trials")["trial_id"])
    again = found[found["measurement"] == "prequential"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, along, check_like=True)


def test_lost_journals_are_made_anew_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(GRID + UPDATE)
    along, found = table("update_trials"), orchestrator.load(RESULTS).updates()
    for file in RESULTS.glob("journal*"):
        file.unlink()
    assert run(["repair", str(RESULTS)]) == 4, "what attempts had printed is lost"
    sweep(GRID + UPDATE)
    pd.testing.assert_frame_equal(table("update_trials"), along)
    pd.testing.assert_frame_equal(orchestrator.load(RESULTS).updates(), found)


def test_a_grid_without_it_keeps_them_as_an_earlier_grids() -> None:
    sweep(GRID + UPDATE)
    sweep(GRID)
    assert table("update_trials").empty and (table("earlier_trials")["purpose"] == "update").sum() == 16
    assert set(table("trials")["dataset"]) == {"digits"}
    assert orchestrator.load(RESULTS).updates().empty


def test_results_without_nets_along_a_stream_say_what_makes_some(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(GRID)
    capsys.readouterr()
    assert run(["results", str(RESULTS), "--updates"]) == 0
    assert "a grid with the section `update` trains some" in capsys.readouterr().err


def test_another_alpha_is_that_of_the_latest_grid() -> None:
    sweep(GRID + UPDATE.replace("always]", "on_alarm, always]"))
    usual = orchestrator.load(RESULTS).updates()
    assert (usual.loc[usual["policy"] == "never", "alarms"] > 0).all()
    strict = UPDATE.replace("always]", "on_alarm, always], alpha: 1.0e-300")
    sweep(GRID + strict)
    found = orchestrator.load(RESULTS).updates()
    assert (found.loc[found["policy"] == "never", "alarms"] == 0).all()
    assert (found.loc[found["policy"] == "on_alarm", "retrainings"] == 0).all()


def test_what_came_first_is_confirmed_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(GRID + UPDATE + "measure: groups\n")
    along = table("update_trials")
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q", "--confirm", "2"]) == 0, capsys.readouterr().err
    assert len(table("confirmation_trials")) == 2 * 2
    pd.testing.assert_frame_equal(table("update_trials"), along)


def test_nets_that_broke_or_wait_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    broken = GRID.replace("lr: 0.01", "lr: 1.0e+30").replace("seeds: 2", "seeds: 1")
    Path("grid.yaml").write_text(broken + UPDATE)
    run(["sweep", "grid.yaml", "--engine", "inline", "-q"])
    told = orchestrator.load(RESULTS).updates()
    assert len(told) == 2 * 3
    assert set(told["reason"]) == {"the net that has seen 0 blocks: diverged"}
    sections = {section.name: section for section in read_page(ResultsPaths(RESULTS)).measured}
    assert "updates" not in sections
    seeds = {row[-2] for row in read_page(ResultsPaths(RESULTS)).problems.rows}
    assert {"0", "update: 0"} <= seeds
    capsys.readouterr()
    Path("grid.yaml").write_text(broken)
    assert run(["plan", "grid.yaml"]) == 0
    assert "nets along a stream that the grid does not ask for" in " ".join(capsys.readouterr().out.split())
