"""Nets of which something is to be made, and whose weights an earlier sweep did not keep: they are trained once more."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.errors import UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.preview import preview
from orchestrator.sweep.retrain import FOLDER
from orchestrator.sweep.run import SweepRequest, run_sweep, run_trial
from orchestrator.sweep.summary import SweepSummary
from trainables.context import Context
from trainables.errors import TrialCancelled
from trainables.records import TrialResult
from trainables.spec import TrialTask

GRID = """\
name: sweep
axes:
  dataset: digits
  model: [{name: mlp, hidden: 8}]
  optimizer: sgd
%s
seeds: 2
protocol: {epochs: 2}
wandb: {mode: disabled}
"""
PATHS = ResultsPaths(Path("results"))


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A grid whose nets are trained, and now wants something made of them."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "grid.yaml"
    file.write_text(GRID % "")
    assert run(file).counts == {"completed": 2}
    file.write_text(GRID % "  deployment: [int8, {name: prune, epochs: 1}]")
    return file


def run(grid: Path, **asked: object) -> SweepSummary:
    request = SweepRequest(grid=grid, engine="inline", results=PATHS.root)
    return run_sweep(replace(request, **asked), SilentProgress())  # type: ignore[arg-type]


def parents() -> pd.DataFrame:
    rows = pd.read_parquet(PATHS.root / "trials.parquet")
    return rows[rows["deployment"] == "none"].reset_index(drop=True)


def test_they_are_trained_again_and_their_rows_stay(grid: Path) -> None:
    before = parents()
    with pytest.raises(UserError, match="--retrain-parents trains them again"):
        run(grid)
    assert run(grid, retrain_parents=True).counts == {"completed": 6}
    told = ["artifact_bytes", "packed_bytes"]  # of a parent, by what has been made of it
    assert before[told].isna().all(axis=None) and (parents()[told] > 0).all(axis=None)
    # integers beside nulls are floats
    pd.testing.assert_frame_equal(parents().drop(columns=told), before.drop(columns=told), check_dtype=False)
    assert {PATHS.weights(trial).is_file() for trial in before["trial_id"]} == {True}
    assert not (PATHS.root / FOLDER).exists()
    assert run(grid, retrain_parents=True).ran == 0


def another_seed(trial_task: TrialTask, context: Context) -> TrialResult:
    spec = trial_task.spec
    return run_trial(replace(trial_task, spec=replace(spec, seed=spec.seed + 1)), context)


def test_those_of_a_cell_that_an_override_changes_too(grid: Path) -> None:
    override = "overrides: [{when: {optimizer: sgd}, set: {protocol.clip: 5.0}}]\n"
    plain, deployed = GRID % "", grid.read_text()
    grid.write_text(plain + override)
    run(grid)
    grid.write_text(deployed + override)
    assert run(grid, retrain_parents=True).counts == {"completed": 6}


def test_what_comes_out_otherwise_is_an_error_and_no_row(grid: Path) -> None:
    before = parents()
    with pytest.raises(
        UserError, match=r"of 2 trials training again gave another net .* has the train_loss .* in epoch 1"
    ):
        run(grid, retrain_parents=True, run_trial=another_seed)
    assert not any(PATHS.weights(trial).exists() for trial in before["trial_id"])
    assert not (PATHS.root / FOLDER).exists()
    with closing(Journal.read(PATHS.journal)) as journal:
        assert set(journal.statuses().values()) == {"completed"}
    assert run(grid, retrain_parents=True).counts == {"completed": 6}


def test_what_was_trained_before_it_was_ended_is_not_trained_again(grid: Path) -> None:
    trained = []

    def one_alone(trial_task: TrialTask, context: Context) -> TrialResult:
        if trained:
            raise TrialCancelled
        trained.append(trial_task.trial_id)
        return run_trial(trial_task, context)

    with pytest.raises(UserError, match="was not completed this time, but cancelled"):
        run(grid, retrain_parents=True, run_trial=one_alone)
    assert [PATHS.weights(trial).is_file() for trial in trained] == [True]

    def noted(trial_task: TrialTask, context: Context) -> TrialResult:
        trained.append(trial_task.trial_id)
        return run_trial(trial_task, context)

    assert run(grid, retrain_parents=True, run_trial=noted).counts == {"completed": 6}
    assert len(trained) == 1 + 1 + 4 and len(set(trained)) == 6


def test_a_plan_says_how_many_there_are_and_what_they_take(grid: Path) -> None:
    seen = preview(grid, results=PATHS.root)
    assert len(seen.untrained) == 2 and all(seconds > 0 for seconds in seen.untrained)
    run(grid, retrain_parents=True)
    assert preview(grid, results=PATHS.root).untrained == ()
