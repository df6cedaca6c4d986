"""Whole sweeps in this process: what is run, what is not run again, and what the tables say afterwards."""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from errno import ENOSPC
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run as cli_run
from orchestrator.errors import DamagedResults, InfrastructureLost, UserError
from orchestrator.grid import read_grid
from orchestrator.plan.cell import Cell
from orchestrator.plan.plan import Plan
from orchestrator.plan.prepare import data_location
from orchestrator.plan.progress import SilentProgress, Snapshot
from orchestrator.store import tables
from orchestrator.store.journal import Journal
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary
from tests.orchestrator.processes import ORCH, environment, orch
from tests.orchestrator.sweeper import LEAVES, RAISES, RUNS_OUT_OF_MEMORY, misbehave
from tests.trainables.test_plugin import install

GRID = """\
name: sweep
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [8]}]
  optimizer: %s
  regularizer: [none]
seeds: %s
protocol: %s
exclude: %s
wandb: {mode: disabled}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes grid.yaml in the working folder."""
    monkeypatch.chdir(tmp_path)

    def written(
        optimizer: str = "[sgd]", seeds: object = 1, protocol: str = "{epochs: 1}", exclude: str = "[]"
    ) -> Path:
        grid = tmp_path / "grid.yaml"
        grid.write_text(GRID % (optimizer, seeds, protocol, exclude))
        return grid

    return written


def run(grid: Path, **options: object) -> SweepSummary:
    return run_sweep(SweepRequest(grid=grid, engine="inline", **options), SilentProgress())  # type: ignore[arg-type]


def table(name: str) -> pd.DataFrame:
    return pd.read_parquet(f"results/sweep/{name}.parquet")


def test_the_same_grid_runs_nothing_and_a_longer_one_only_its_new_cells(write: Write) -> None:
    first = run(write("[{name: sgd, lr: [0.1, 0.05]}]", seeds=2))
    assert (first.ran, first.counts, first.succeeded) == (4, {"completed": 4}, True)
    before = table("trials")
    again = run(write("[{name: sgd, lr: [0.1, 0.05]}]", seeds=2))
    assert (again.ran, again.counts) == (0, {"completed": 4})
    pd.testing.assert_frame_equal(table("trials"), before)
    longer = run(write("[{name: sgd, lr: [0.1, 0.05]}, adam]", seeds=2))
    assert (longer.ran, longer.counts) == (2, {"completed": 6})
    pd.testing.assert_frame_equal(table("trials").iloc[:4], before)
    shorter = run(write("[adam]", seeds=2))
    assert (shorter.ran, shorter.counts) == (0, {"completed": 2})
    trials, earlier = table("trials"), table("earlier_trials")
    assert (list(trials["planned"]), list(earlier["planned"])) == ([True] * 2, [False] * 4)
    pd.testing.assert_frame_equal(earlier, before.assign(planned=False))
    assert len(table("environments")) == 4
    assert trials["environment_id"].isin(table("environments")["environment_id"]).all()


def test_what_a_good_trial_leaves_in_every_table(write: Write) -> None:
    run(write(protocol="{epochs: 3, keep_weights: best}"))
    (trial,) = table("trials").to_dict("records")
    assert trial["status"] == "completed"
    assert trial["planned"] and pd.isna(trial["reason"])
    assert trial["epochs"] == 3
    assert (trial["device"], trial["world_size"], trial["attempts"], trial["precision"]) == ("cpu", 1, 1, "fp32")
    assert trial["train_size"] + trial["val_size"] + trial["test_size"] + trial["dropped_duplicates"] == 1797
    assert json.loads(trial["model_config"])["hidden"] == [8]
    required = ("test_accuracy", "test_f1_macro", "test_roc_auc_macro", "parameters", "flops", "latency_ms_p50")
    assert all(trial[name] > 0 for name in required)
    epochs = table("epochs")
    assert list(epochs["epoch"]) == [1, 2, 3]
    assert epochs["val_accuracy"].max() == trial["val_accuracy"]
    assert table("classes")["support"].sum() == trial["test_size"]
    curves = table("curves")
    assert curves[curves["curve"] == "confusion"]["y"].sum() == trial["test_size"]
    assert list(table("attempts")["status"]) == ["completed"]
    assert (Path("results/sweep/weights") / f"{trial['trial_id']}.safetensors").stat().st_size > 0


def test_the_same_trial_twice_is_bit_equal(write: Write) -> None:
    grid = write("[{name: sgd, lr: 0.1, momentum: 0.9}]", seeds=2, protocol="{epochs: 2}")
    run(grid)
    first = table("trials")
    run(grid, results=Path("results/again"))
    second = pd.read_parquet("results/again/trials.parquet")
    measured = [
        name for name in first.columns if name.startswith(("train_", "val_", "test_")) and "seconds" not in name
    ]
    pd.testing.assert_frame_equal(first[measured], second[measured], check_exact=True)
    assert first["test_accuracy"].nunique() == 2


def test_a_loss_that_is_not_finite_ends_a_trial_as_diverged_which_is_final(write: Write) -> None:
    grid = write("[{name: sgd, lr: 1e30}]", protocol="{epochs: 5}")
    summary = run(grid)
    assert (summary.counts, summary.succeeded) == ({"diverged": 1}, True)
    (trial,) = table("trials").to_dict("records")
    assert "loss is" in trial["reason"]
    assert trial["epochs"] < 5
    assert pd.isna(trial["test_accuracy"])
    assert run(grid, retry=True).ran == 0


def test_a_time_limit_ends_a_trial_as_timed_out(write: Write) -> None:
    summary = run(write(protocol="{epochs: 1000, trial_timeout: 0.2s}"))
    assert (summary.counts, summary.succeeded) == ({"timed_out": 1}, False)
    assert "0.2 s" in table("trials")["reason"][0]
    assert len(table("epochs")) < 1000


def test_a_skipped_cell_is_a_row_with_its_reason_and_runs_when_the_grid_lets_it(write: Write) -> None:
    summary = run(write("[sgd, adam]", exclude="[{optimizer: adam}]"))
    assert (summary.counts, summary.ran, summary.succeeded) == ({"completed": 1, "skipped": 1}, 1, True)
    skipped = table("trials").set_index("optimizer").loc["adam"]
    assert "exclude" in skipped["reason"]
    assert skipped["attempts"] == 0
    summary = run(write("[sgd, adam]"))
    assert (summary.counts, summary.ran) == ({"completed": 2}, 1)
    assert table("trials")["reason"].isna().all()


def test_failures_are_rows_and_run_again_only_when_asked_to(write: Write) -> None:
    grid = write(seeds=[0, RAISES, LEAVES, RUNS_OUT_OF_MEMORY])
    summary = run(grid, run_trial=misbehave)
    assert (summary.counts, summary.succeeded) == ({"completed": 1, "failed": 2, "out_of_memory": 1}, False)
    attempts = table("attempts").set_index("reason")
    assert "raise ValueError" in attempts.loc["ValueError: seed 3 is not liked", "error"]
    assert run(grid, run_trial=misbehave).ran == 0
    Path("mended").touch()
    seen: list[Snapshot] = []

    class Watch(SilentProgress):
        def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
            seen.append(snapshot)

    again = run_sweep(SweepRequest(grid=grid, engine="inline", retry=True, run_trial=misbehave), Watch())
    assert (again.ran, again.counts) == (3, {"completed": 2, "failed": 1, "out_of_memory": 1})
    trials = table("trials").set_index("seed")
    assert (trials.loc[RAISES, "status"], trials.loc[RAISES, "attempts"]) == ("completed", 2)
    assert trials.loc[0, "attempts"] == 1
    assert len(seen) == 3
    assert all(count > 0 for snapshot in seen for count in snapshot.counts.values())
    assert all(sum(snapshot.counts.values()) == snapshot.total == 4 for snapshot in seen)
    assert all(snapshot.running == () for snapshot in seen), "who ends does not look at all that run"


def test_what_a_trial_prints_is_kept_and_not_shown(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    run(write(seeds=[RAISES]), run_trial=misbehave)
    assert capsys.readouterr() == ("", "")
    trial = table("trials")["trial_id"][0]
    shown = subprocess.run(
        [ORCH, "logs", "results/sweep", trial], capture_output=True, text=True, check=True, env=environment()
    )
    assert "seed 3 speaks" in shown.stdout
    assert "ValueError: seed 3 is not liked" in shown.stdout


def test_fewer_seeds_on_the_command_line(write: Write) -> None:
    grid = write(seeds=[0, 30, 31])
    assert run(grid, seeds=1, run_trial=misbehave).counts == {"completed": 1}
    assert run(grid, run_trial=misbehave).ran == 2


def test_too_many_trials_are_refused_and_none_is_run(write: Write) -> None:
    with pytest.raises(UserError, match="3 trials, more than --max-trials 2"):
        run(write(seeds=[0, 30, 31]), max_trials=2)
    assert not Path("results").exists()


def test_a_damaged_journal_stops_the_sweep_and_is_left_as_it_is(write: Write) -> None:
    grid = write()
    run(grid, run_trial=misbehave)
    journal = Path("results/sweep/journal.sqlite")
    content = journal.read_bytes()
    journal.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedResults, match=r"journal\.sqlite is damaged"):
        run(grid, run_trial=misbehave)
    assert journal.read_bytes() == content[: len(content) // 2]


def test_a_deleted_table_is_written_again(write: Write) -> None:
    grid = write()
    run(grid, run_trial=misbehave)
    Path("results/sweep/trials.parquet").unlink()
    assert run(grid, run_trial=misbehave).ran == 0
    assert list(table("trials")["status"]) == ["completed"]


def test_a_journal_that_is_gone_is_not_begun_anew_over_its_tables(write: Write) -> None:
    grid = write()
    run(grid)
    before = table("trials")
    Path("results/sweep/journal.sqlite").unlink()
    with pytest.raises(DamagedResults, match=r"journal\.sqlite is gone, but its tables are not; `orch repair"):
        run(grid)
    pd.testing.assert_frame_equal(table("trials"), before)
    assert cli_run(["repair", "results/sweep"]) == 4, "what the trial printed is in no table"
    assert run(grid).ran == 0
    pd.testing.assert_frame_equal(table("trials"), before)


def test_a_table_that_cannot_be_written_is_reported_and_the_trials_are_kept(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))

    grid = write()
    with monkeypatch.context() as patched, pytest.raises(InfrastructureLost, match="cannot write the tables"):
        patched.setattr(tables, "unfinished", full)
        run(grid, run_trial=misbehave)
    assert run(grid, run_trial=misbehave).ran == 0
    assert list(table("trials")["status"]) == ["completed"]


def test_a_numeric_target_of_a_plugin_arrives_in_the_tables(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site)
    (tmp_path / "grid.yaml").write_text(
        "name: numbers\naxes: {dataset: [brightness], model: [{name: mlp, hidden: [32]}],"
        " optimizer: [{name: adam, lr: 0.01}], regularizer: [none]}\nprotocol: {epochs: 5}\nwandb: {mode: disabled}\n"
    )
    ended = orch(tmp_path, "sweep", "grid.yaml", "--engine", "inline", "--json", site=site)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["counts"] == {"completed": 1}
    (trial,) = pd.read_parquet(tmp_path / "results/numbers/trials.parquet").to_dict("records")
    assert trial["test_mse"] > 0
    assert 0 < trial["test_mae"] <= trial["test_mse"] ** 0.5
    assert trial["test_r2"] > 0.5
    assert pd.isna(trial["test_accuracy"]) and pd.isna(trial["test_cross_entropy"])
    epochs = pd.read_parquet(tmp_path / "results/numbers/epochs.parquet")
    assert epochs["val_mse"].notna().all() and epochs["val_accuracy"].isna().all()


def test_named_trials_run_alone_and_only_where_they_are_missing(write: Write) -> None:
    grid = write("[{name: sgd, lr: [0.1, 0.05]}]", seeds=3)
    with pytest.raises(UserError, match="--only zz: no trial of the grid has an id that begins like this"):
        run(grid, only=("zz",))
    with pytest.raises(UserError, match=r"--only : 6 trials begin like this: .* give more digits"):
        run(grid, only=("",))
    ids = list(all_trials(grid))
    first = run(grid, only=(ids[4][:6], ids[1].upper()))
    assert (first.ran, first.counts, first.others, first.exit_code) == (2, {"completed": 2}, 4, 0)
    assert "; 2 completed; 4 others still to run" in first.as_text()
    assert statuses(grid) == {trial: "completed" if trial in (ids[1], ids[4]) else "pending" for trial in ids}
    notes = Notes()
    again = run_sweep(SweepRequest(grid=grid, engine="inline", only=(ids[4], ids[0])), notes)
    assert (again.ran, again.counts, again.others) == (1, {"completed": 2}, 3)
    assert [text for text in notes.texts if "does not run again" in text] == [
        f"{ids[4]} is completed and does not run again; `orch debug RESULTS {ids[4]}` runs it without recording it"
    ]
    rest = run(grid)
    assert (rest.ran, rest.counts, rest.others) == (3, {"completed": 6}, 0)
    assert "others" not in rest.as_text()


def test_a_named_trial_of_an_earlier_grid_is_refused_and_nothing_changes(write: Write) -> None:
    grid = write("[{name: sgd, lr: [0.1, 0.05]}]")
    run(grid)
    before = statuses(grid)
    later = write("[{name: sgd, lr: [0.1, 0.2]}]")
    gone = next(trial for trial in before if trial not in all_trials(later))
    with pytest.raises(UserError, match=f"--only {gone}: the grid no longer names {gone}"):
        run(later, only=(gone,))
    assert statuses(grid) == before


def test_of_failed_trials_the_named_one_alone_runs_again(write: Write) -> None:
    grid = write(seeds=[RAISES, LEAVES, 0])
    assert run(grid, run_trial=misbehave).counts == {"failed": 2, "completed": 1}
    raises, leaves, _ = all_trials(grid)
    notes = Notes()
    kept = run_sweep(SweepRequest(grid=grid, engine="inline", run_trial=misbehave, only=(raises,)), notes)
    assert (kept.ran, kept.counts, kept.exit_code) == (0, {"failed": 1}, 1)
    assert f"{raises} ended before (failed): --retry runs it again" in notes.texts
    Path("mended").touch()
    mended = run(grid, run_trial=misbehave, only=(raises,), retry=True)
    assert (mended.ran, mended.counts, mended.exit_code) == (1, {"completed": 1}, 0)
    assert statuses(grid)[leaves] == "failed"


def test_a_named_trial_that_is_skipped_says_why(write: Write) -> None:
    grid = write("[sgd, adam]", exclude="[{optimizer: adam}]")
    skipped = next(trial for trial, cell in all_trials(grid).items() if cell.skip)
    summary = run(grid, only=(skipped,))
    assert (summary.ran, summary.counts, summary.exit_code) == (0, {"skipped": 1}, 2)
    assert list(summary.skipped.values()) == [1] and "nothing could run" in summary.as_text()
    assert set(statuses(grid).values()) == {"skipped", "pending"}


class Notes(SilentProgress):
    """Keeps what a sweep says."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def all_trials(grid: Path) -> dict[str, Cell]:
    """Trial id to its cell, in the plan's order."""
    plan = Plan(read_grid(grid), data_location(None, grid))
    return {trial.trial_id: trial.cell for trial in plan.trials()}


def statuses(grid: Path) -> dict[str, str]:
    with closing(Journal.read(grid.parent / "results" / "sweep" / "journal.sqlite")) as journal:
        return journal.statuses()
