"""The section `measure` and `orch measure`: what waits for what, what is found out, and what becomes of it otherwise."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.errors import GridError
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.report.contents import read_page
from orchestrator.store.paths import ResultsPaths
from results_schema import OF_MEASUREMENTS
from results_schema.measured import headlines_of_measurements

GRID = """\
name: sweep
axes:
  dataset: digits
  model: [{name: mlp, hidden: 8}]
  optimizer: {name: sgd, lr: %s}
seeds: 2
protocol: {epochs: 1%s}
wandb: {mode: disabled}
%s
"""
CORRUPT = "{name: corrupt, corruptions: [contrast, gaussian_noise], severities: [1, 5]}"
Sweep = Callable[..., int]
RESULTS = Path("results/sweep")


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.chdir(tmp_path)

    def swept(measure: str = "", protocol: str = "", lr: object = 0.1, *more: str) -> int:
        written = f"measure: [{measure}]" if measure else ""
        Path("grid.yaml").write_text(GRID % (lr, protocol, written))
        return run(["sweep", "grid.yaml", "--engine", "inline", "-q", *more])

    return swept


def table(name: str) -> pd.DataFrame:
    return pd.read_parquet(RESULTS / f"{name}.parquet")


def measure(*measurements: str) -> int:
    return run(["measure", str(RESULTS), *measurements, "--engine", "inline", "-q"])


def test_nets_are_measured_once_they_are_trained_and_their_rows_have_the_headline(sweep: Sweep) -> None:
    assert sweep(CORRUPT) == 0
    trials, measured, found = table("trials"), table("measurements"), table("corruptions")
    assert list(measured["parent_id"]) == list(trials["trial_id"])
    assert set(measured["status"]) == {"completed"} and set(measured["purpose"]) == {"measurement"}
    assert json.loads(measured["measurement_config"][0])["severities"] == [1, 5]
    assert trials["measurement"].isna().all()
    for _, own in found.groupby("trial_id"):
        assert list(own["corruption"]) == ["clean", *["contrast"] * 2, *["gaussian_noise"] * 2]
        assert list(own["severity"]) == [0, 1, 5, 1, 5]
    joined = found.merge(trials, on="trial_id")
    clean = joined[joined["severity"] == 0]
    assert (clean["n"] == clean["test_size"]).all()
    # of all test pictures, as they are: bit for bit what the trial was measured with
    assert (clean["accuracy"] == clean["test_accuracy"]).all()
    assert (clean["cross_entropy"] == clean["test_cross_entropy"]).all()
    mean = found[found["severity"] > 0].groupby("trial_id")["accuracy"].mean()
    assert trials.set_index("trial_id")["mean_corruption_accuracy"].to_dict() == pytest.approx(mean.to_dict())
    assert found["measurement_id"].isin(measured["trial_id"]).all()


def test_a_second_sweep_measures_nothing_and_one_that_asks_for_more_trains_nothing(sweep: Sweep) -> None:
    assert sweep(CORRUPT) == 0
    before = table("attempts")
    assert sweep(CORRUPT) == 0
    assert len(table("attempts")) == len(before)
    assert sweep(f"{CORRUPT}, {{name: corrupt, corruptions: [contrast], pictures: 50}}") == 0
    after = table("attempts")
    new = after[~after["trial_id"].isin(before["trial_id"])]
    assert len(after) == len(before) + 2
    assert set(new["trial_id"]) <= set(table("measurements")["trial_id"])
    assert set(table("corruptions").groupby("measurement_id")["n"].first()) == {50, 359}


def test_ids_of_trials_are_the_same_with_and_without_measurements(sweep: Sweep) -> None:
    assert sweep(protocol=", keep_weights: best") == 0
    before = table("trials").drop(columns=["planned"])
    assert sweep(CORRUPT, ", keep_weights: best") == 0
    after = table("trials").drop(columns=["planned"])
    pd.testing.assert_frame_equal(
        before.drop(columns="mean_corruption_accuracy"), after[before.columns.drop("mean_corruption_accuracy")]
    )


def test_measuring_finished_results_needs_no_grid_and_no_training(sweep: Sweep) -> None:
    assert sweep(protocol=", keep_weights: best") == 0
    Path("grid.yaml").unlink()
    assert measure(CORRUPT) == 0
    assert measure("{name: corrupt, corruptions: [contrast]}") == 0
    measured = table("measurements")
    assert len(measured) == 4 and set(measured["status"]) == {"completed"}, "the first ones are planned still"
    assert (table("attempts").groupby("trial_id").size() == 1).all()
    assert run(["verify", str(RESULTS)]) == 0


def test_nets_that_are_gone_are_trained_again_only_when_asked(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep() == 0
    assert measure(CORRUPT) == 2
    said = capsys.readouterr().err
    assert "the weights were not kept" in said and said.startswith("the grid of sweep: ")
    assert measure(CORRUPT, "--retrain-parents") == 0
    assert set(table("measurements")["status"]) == {"completed"}
    assert (table("attempts").groupby("trial_id").size() == 1).all()


def test_a_trial_without_a_net_has_nothing_to_measure(sweep: Sweep) -> None:
    assert sweep(CORRUPT, lr=1e30) == 0
    trials, measured = table("trials"), table("measurements")
    assert set(trials["status"]) == {"diverged"}
    assert set(measured["status"]) == {"skipped"}
    assert measured["reason"].str.contains("diverged: there is no net").all()


def test_weights_that_were_changed_are_seen(sweep: Sweep) -> None:
    assert sweep(protocol=", keep_weights: best") == 0
    first, second = sorted((RESULTS / "weights").iterdir())
    first.write_bytes(second.read_bytes())
    assert measure(CORRUPT) == 1
    measured = table("measurements").set_index("parent_id")
    assert measured.loc[first.stem, "status"] == "failed"
    assert f"say that they are of trial {second.stem}" in str(measured.loc[first.stem, "reason"])
    assert measured.loc[second.stem, "status"] == "completed"


def test_what_cannot_be_measured_is_skipped_with_the_reason(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    axes = "{dataset: {name: moving_digits, examples: 80}, model: frame_average, optimizer: sgd}"
    grid.write_text(f"name: clips\naxes: {axes}\nmeasure: corrupt\n")
    counts = Plan(read_grid(grid), data_location(None, grid)).counts()
    assert counts.skipped == {"corrupt changes images, but moving_digits has clip inputs": 1}
    assert (counts.cells, counts.trials, counts.measurements, counts.to_run) == (1, 2, 1, 1)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("corupt", "unknown measurement 'corupt'; did you mean corrupt?"),
        ("{name: corrupt, severities: [0]}", "severities"),
        ("{name: corrupt, severities: []}", "severities"),
        ("{name: corrupt, corruptions: [fogg]}", "unknown corruption 'fogg'"),
        ("{name: corrupt, eps: 1}", "eps"),
        ("corrupt, corrupt", "stands there already"),
        ("3", "3 is no measurement"),
    ],
)
def test_a_wrong_entry_is_an_error_with_its_place(written: str, said: str, tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID % (0.1, "", f"measure: [{written}]"))
    with pytest.raises(GridError) as raised:
        read_grid(grid)
    assert said in str(raised.value)
    assert f"{grid}:9:" in str(raised.value)


def test_what_was_found_out_survives_a_damaged_journal(sweep: Sweep) -> None:
    assert sweep(CORRUPT) == 0
    before, measured = table("corruptions"), table("measurements")
    journal = RESULTS / "journal.sqlite"
    content = bytearray(journal.read_bytes())
    content[4096 : 4096 * 3] = bytes(4096 * 2)
    journal.write_bytes(content)
    assert run(["verify", str(RESULTS)]) != 0
    assert run(["repair", str(RESULTS)]) == 4, "what was printed is lost"
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    pd.testing.assert_frame_equal(table("corruptions"), before)
    assert list(table("measurements")["attempts"]) == list(measured["attempts"])


def test_findings_that_are_lost_are_found_out_again_and_nothing_trains_again(sweep: Sweep) -> None:
    assert sweep(CORRUPT) == 0
    found, trained = table("corruptions"), table("trials")
    (RESULTS / "journal.sqlite").write_bytes(bytes(4096))
    (RESULTS / "corruptions.parquet").unlink()
    assert run(["repair", str(RESULTS)]) == 4, "findings are lost"
    assert set(table("measurements")["status"]) == {"pending"}
    assert (table("trials")["status"] == "completed").all()
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    pd.testing.assert_frame_equal(table("corruptions"), found)
    assert list(table("trials")["attempts"]) == list(trained["attempts"])


def test_the_page_tells_of_it_and_pandas_reads_it(sweep: Sweep) -> None:
    assert sweep(CORRUPT) == 0
    (section,) = read_page(ResultsPaths(RESULTS)).measured
    found = table("corruptions")
    (row,) = section.table.rows
    heads = [column.title for column in section.table.columns]
    assert row[heads.index("clean")] == pytest.approx(found.query("severity == 0")["accuracy"].mean(), abs=1e-6)
    assert row[heads.index("severity 5")] == pytest.approx(found.query("severity == 5")["accuracy"].mean(), abs=1e-6)
    results = orchestrator.load(RESULTS)
    assert np.array_equal(results.corruptions["accuracy"], found["accuracy"])
    assert len(results.measurements) == 2
    assert run(["results", str(RESULTS), "--where", "purpose=measurement"]) == 0


def test_debug_runs_a_measurement_again_and_whoever_wants_its_net_is_told_whose_it_is(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(CORRUPT) == 0
    measured, *_ = table("measurements").to_dict("records")
    assert run(["debug", str(RESULTS), measured["trial_id"]]) == 0
    said = capsys.readouterr().out
    assert "measurement  corrupt(corruptions=['contrast', 'gaussian_noise'], severities=[1, 5])" in said
    assert said.splitlines()[-1] == "completed" and "another version" not in said
    for command in ("predict", "export"):
        assert run([command, str(RESULTS), measured["trial_id"], "nothing.onnx"]) == 2
        assert f"is a measurement of trial {measured['parent_id']}" in capsys.readouterr().err


def test_measuring_by_another_grid_is_refused_and_changes_nothing(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(protocol=", keep_weights: best") == 0
    before = table("environments")
    Path("other.yaml").write_text(GRID % (0.2, ", keep_weights: best", ""))
    assert measure(CORRUPT, "--grid", "other.yaml") == 2
    assert "sweep is another grid than that of the results: 2 finished trials differ in" in capsys.readouterr().err
    assert len(table("environments")) == len(before) and table("trials")["planned"].all()
    assert measure(CORRUPT, "--grid", "grid.yaml") == 0
    assert run(["results", str(RESULTS), "--where", "purpose=measurement"]) == 0
    assert "corrupt(corruptions=contrast-gaussian_noise,severities=1-5)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("corupt", "did you mean corrupt?"),
        ("", "null is no measurement"),
        ("{name: [", "{name: [: not valid YAML"),
        ("{name: attack, eps: 2024-01-01}", "attack.eps has to be a list"),
        ("{name: attack, steps: 0}", "attack.steps has to be at least 1, not 0"),
    ],
)
def test_what_is_no_measurement_is_told_on_the_command_line(
    written: str, said: str, sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(protocol=", keep_weights: best") == 0
    assert measure(written) == 2
    assert said in capsys.readouterr().err


def test_every_column_is_filled_or_says_where_it_is_null(sweep: Sweep) -> None:
    """By all measurements of a net that a planted cue misleads."""
    measure = "corrupt, attack, groups, explain, drift, {name: groups, by: cue}, prequential"
    turned = "{name: rotate, severity: 3, until: 2}, {name: rotate, to: 20, from: 2}"
    digits = "{name: digits, positive: 3, spurious: 0.98, stream: {blocks: 4, shift: [" + turned + "]}}"
    written = (GRID % (0.1, "", f"measure: [{measure}]")).replace("digits", digits)
    Path("grid.yaml").write_text(written.replace("hidden: 8", "hidden: 32").replace("epochs: 1", "epochs: 4"))
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    for described in OF_MEASUREMENTS:
        rows = table(described.name)
        assert not rows.empty, described.name
        assert not rows.duplicated(list(described.key)).any(), described.name
        nulls = {column for column in rows if rows[column].isna().any()}
        told = {column.name for column in described.fields if "null" in column.about.lower()}
        assert nulls - told == set(), f"{described.name} does not say where these are null"
        never = {column for column in rows if rows[column].isna().all()}
        assert never - {"reason", "left_out"} == set(), f"{described.name} has columns that nothing fills"
    headlines = [name for each in headlines_of_measurements() for name in (field.name for field in fields(each))]
    trials = table("trials")
    assert [name for name in headlines if trials[name].isna().all()] == []
