"""Sweeps on a real Ray, through the installed `orch`: few of them, each looked at from many sides."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial
from tests.orchestrator import processes
from tests.orchestrator.processes import ORCH, PATIENCE, attempts, environment, sweep, trials, write_grid
from tests.orchestrator.sweeper import (
    DIES,
    DIES_ALONE,
    DIES_ONCE,
    FAILS_ALONE,
    FAILS_IN_A_STEP,
    LEAVES,
    POISONS_ONCE,
    RAISES,
    RUNS_OUT_OF_MEMORY,
    TIMES_OUT,
)

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

MIXED = """\
name: mixed
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [32]}, {name: cnn, channels: [8]}]
  optimizer: [{name: adam, lr: 0.01}%s]
  regularizer: [none, {name: dropout, p: 0.1}]
seeds: 3
protocol: {epochs: 5, batch_size: 64}
overrides: [{when: {model: cnn}, set: {resources.workers: 2}}]
exclude: [{model: cnn, regularizer: dropout}]
wandb: {mode: disabled}
"""
PLAIN = MIXED.replace("overrides:", "overrides: []  #")
LONGER = (
    (PLAIN % ", {name: adam, lr: 0.02}")
    .replace(", {name: cnn, channels: [8]}", "")
    .replace("exclude:", "exclude: []  #")
)
"""One level of the optimizer more, one of the model less."""


def orch(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ORCH, *arguments],
        cwd=folder,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
        stdin=subprocess.DEVNULL,
    )


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that a repetition has to give bit by bit."""
    names = [name for name in table.columns if name.startswith(("train_", "val_", "test_")) and "seconds" not in name]
    return table.set_index("trial_id").sort_index()[[*names, "status", "best_epoch", "parameters", "flops"]]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a grid of single and two-worker trials has been run on two CPUs."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "tmp").mkdir()
    (folder / "grid.yaml").write_text(MIXED % "")
    ended = orch(folder, "sweep", "grid.yaml", "--json", TMPDIR=str(folder / "tmp"))
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    assert summary["counts"] == {"completed": 9, "skipped": 3}
    assert summary["ran"] == 9
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trials, each of one worker, in this machine's plainest engine."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "grid.yaml").write_text(PLAIN % "")
    ended = processes.orch(folder, "sweep", "grid.yaml", "--engine", "inline", "-q")
    assert ended.returncode == 0, ended.stderr
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "results" / "mixed" / f"{name}.parquet")


def test_every_planned_trial_has_its_row(mixed: Path) -> None:
    rows = table(mixed, "trials")
    assert len(rows) == 12
    assert rows["planned"].all()
    done = rows[rows["status"] == "completed"]
    assert set(zip(done["model"].str[:3], done["world_size"], strict=True)) == {("mlp", 1), ("cnn", 2)}
    assert (done["attempts"] == 1).all()
    assert table(mixed, "epochs").groupby("trial_id").size().eq(5).all()


def test_two_workers_learn_as_well_as_one(mixed: Path, alone: Path) -> None:
    of_two, of_one = (table(folder, "trials").query("status == 'completed'") for folder in (mixed, alone))
    accuracy = [frame[frame["model"].str.startswith("cnn")]["test_accuracy"] for frame in (of_two, of_one)]
    assert [len(values) for values in accuracy] == [3, 3]
    assert accuracy[1].mean() > 0.8
    assert abs(accuracy[0].mean() - accuracy[1].mean()) <= 0.01


def test_two_workers_measure_the_whole_split(mixed: Path) -> None:
    rows = table(mixed, "trials").set_index("trial_id").query("world_size == 2")
    curves = table(mixed, "curves")
    counted = curves[curves["curve"] == "confusion"].groupby("trial_id")["y"].sum()
    assert (counted[rows.index] == rows["test_size"]).all()
    assert (rows["train_size"] + rows["val_size"] + rows["test_size"] + rows["dropped_duplicates"] == 1797).all()


def test_two_workers_keep_what_they_said_of_the_whole_split_in_its_order(mixed: Path) -> None:
    rows = table(mixed, "trials").query("status == 'completed'").set_index("trial_id")
    said = table(mixed, "predictions").merge(table(mixed, "examples"), on=["split_id", "position"])
    right = said.assign(right=said["predicted"] == said["target"]).groupby("trial_id")["right"]
    assert (right.size()[rows.index] == rows["test_size"]).all()
    assert right.mean()[rows.index].tolist() == pytest.approx(rows["test_accuracy"].tolist(), abs=1e-12)


def test_trials_in_slots_are_bit_equal_to_trials_in_this_process(mixed: Path, alone: Path) -> None:
    on_ray, inline = (
        measured(frame[frame["model"].str.startswith("mlp")])
        for frame in (table(mixed, "trials"), table(alone, "trials"))
    )
    assert len(on_ray) == 6
    assert on_ray["test_accuracy"].nunique() > 1
    pd.testing.assert_frame_equal(on_ray, inline, check_exact=True)


def test_nothing_of_the_sweep_is_left_in_the_folder_of_temporary_files(mixed: Path) -> None:
    """Ray Train wants a folder to keep things in; torch keeps its own there, which is the user's."""
    left = {path.name for path in (mixed / "tmp").iterdir() if not path.name.startswith("torchinductor")}
    assert left == set()


def test_the_same_command_runs_nothing_and_one_level_more_only_its_cells(mixed: Path) -> None:
    before = table(mixed, "trials")
    again = orch(mixed, "sweep", "grid.yaml", "--json", "-q")
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    assert json.loads(again.stdout)["ran"] == 0
    pd.testing.assert_frame_equal(table(mixed, "trials"), before)
    (mixed / "grid.yaml").write_text(LONGER)
    longer = orch(mixed, "sweep", "grid.yaml", "--json", "-q")
    assert longer.returncode == 0, longer.stderr
    assert json.loads(longer.stdout)["ran"] == 6
    after, earlier = table(mixed, "trials"), table(mixed, "earlier_trials")
    assert (len(after), len(earlier)) == (12, 6)
    kept = pd.concat([earlier, after]).set_index("trial_id").loc[before["trial_id"]].reset_index()
    pd.testing.assert_frame_equal(kept.drop(columns="planned"), before.drop(columns="planned"), check_dtype=False)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    """A sweep of one trial for each way to fail."""
    folder = tmp_path_factory.mktemp("broken")
    seeds = [0, DIES, DIES_ONCE, RAISES, TIMES_OUT, LEAVES, RUNS_OUT_OF_MEMORY, POISONS_ONCE]
    write_grid(folder, seeds, protocol="trial_timeout: 2s")
    return folder, *sweep(folder, "ray")


def test_every_failure_becomes_the_status_that_it_is(broken: tuple[Path, int, str, str]) -> None:
    folder, code, output, errors = broken
    assert code == 1, errors
    assert json.loads(output)["counts"] == {"completed": 3, "failed": 3, "out_of_memory": 1, "timed_out": 1}
    rows = trials(folder)
    assert rows["status"].to_dict() == {
        0: "completed",
        DIES: "failed",
        DIES_ONCE: "completed",
        RAISES: "failed",
        TIMES_OUT: "timed_out",
        LEAVES: "failed",
        RUNS_OUT_OF_MEMORY: "out_of_memory",
        POISONS_ONCE: "completed",
    }
    assert rows.loc[DIES, "reason"].startswith("gave up after 3 attempts: the worker's process died")
    assert rows.loc[RAISES, "reason"] == "ValueError: seed 3 is not liked"
    assert rows[rows["status"] == "completed"]["reason"].isna().all()


def test_every_attempt_is_recorded(broken: tuple[Path, int, str, str]) -> None:
    folder = broken[0]
    assert attempts(folder) == {
        0: ["completed"],
        DIES: ["worker_lost", "worker_lost", "worker_lost"],
        DIES_ONCE: ["worker_lost", "completed"],
        RAISES: ["error"],
        TIMES_OUT: ["timed_out"],
        LEAVES: ["error"],
        RUNS_OUT_OF_MEMORY: ["out_of_memory", "out_of_memory"],
        POISONS_ONCE: ["poisoned", "completed"],
    }
    rows = pd.read_parquet(folder / "results" / "sweep" / "attempts.parquet")
    poisoned = rows[rows["trial_id"] == trials(folder).loc[POISONS_ONCE, "trial_id"]].sort_values("attempt")
    assert poisoned["pid"].nunique() == 2, "a poisoned process was used again"
    assert rows["finished_at"].notna().all()


def test_ray_itself_says_nothing(broken: tuple[Path, int, str, str]) -> None:
    _, _, output, errors = broken
    assert len(output.splitlines()) == 1
    assert "(raylet)" not in errors
    assert "Traceback" not in errors


def test_the_traceback_is_in_the_logs_and_a_retry_runs_what_failed(broken: tuple[Path, int, str, str]) -> None:
    folder = broken[0]
    before = trials(folder)
    shown = orch(folder, "logs", "results/sweep", str(before.loc[RAISES, "trial_id"]))
    assert "raise ValueError" in shown.stdout
    assert "seed 3 speaks" in shown.stdout
    assert orch(folder, "status", "results/sweep").returncode == 0
    (folder / "mended").touch()
    write_grid(folder, [0, RAISES], protocol="trial_timeout: 2s")
    code, output, errors = sweep(folder, "inline")
    assert (code, json.loads(output)["ran"]) == (1, 0), errors
    code, output, errors = sweep(folder, "inline", "--retry")
    assert (code, json.loads(output)["ran"]) == (0, 1), errors
    after = trials(folder)
    assert (after.loc[RAISES, "status"], after.loc[RAISES, "attempts"]) == ("completed", 2)
    assert list(after.index[after["planned"]]) == [0, RAISES]


@pytest.mark.chaos
def test_a_worker_of_two_that_fails_or_dies_alone(tmp_path: Path) -> None:
    write_grid(tmp_path, [0, FAILS_ALONE, DIES_ALONE, FAILS_IN_A_STEP, 30], workers=2)
    code, _, errors = sweep(tmp_path, "ray")
    assert code == 1, errors
    assert trials(tmp_path)["status"].to_dict() == {
        0: "completed",
        FAILS_ALONE: "failed",
        DIES_ALONE: "completed",
        FAILS_IN_A_STEP: "failed",
        30: "completed",
    }
    assert trials(tmp_path).loc[FAILS_ALONE, "reason"] == "ValueError: the second rank fails alone"
    assert trials(tmp_path).loc[FAILS_IN_A_STEP, "reason"] == "ValueError: the second rank fails in a step"
    assert attempts(tmp_path) == {
        0: ["completed"],
        FAILS_ALONE: ["error"],
        DIES_ALONE: ["worker_lost", "completed"],
        FAILS_IN_A_STEP: ["error"],
        30: ["completed"],
    }


TUNED = """\
name: tuned
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [16]}, {name: cnn, channels: [4]}]
  optimizer: [adam]
seeds: 2
protocol: {epochs: 24}
overrides: [{when: {model: cnn}, set: {resources.workers: 2, protocol.epochs: 6}}]
tuning: {trials: 5, search: tpe, scheduler: asha, space: {optimizer.lr: [1e-5, 1, log]}}
wandb: {mode: disabled}
"""


@pytest.mark.slow
def test_cells_are_tuned_in_slots_of_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(TUNED)
    ended = orch(tmp_path, "sweep", "grid.yaml", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["counts"] == {"completed": 14}
    rows = every_trial(ResultsPaths(tmp_path / "results" / "tuned")).to_pandas()
    assert set(rows["world_size"]) == {1, 2}
    for _, cell in rows.groupby("cell_id"):
        tuning, evaluation = (cell[cell["purpose"] == purpose] for purpose in ("tuning", "evaluation"))
        assert (len(tuning), len(evaluation)) == (5, 2)
        assert set(evaluation["tuned"]) == {tuning.loc[tuning["val_accuracy"].idxmax(), "tuned"]}
        assert tuning["test_accuracy"].isna().all()
        assert evaluation["test_accuracy"].notna().all()
        assert tuning["finished_at"].max() <= evaluation["started_at"].min()
        assert evaluation["epochs"].eq(json.loads(cell["protocol_config"].iloc[0])["epochs"]).all()
    assert (rows["epochs"] < rows["protocol_config"].map(lambda text: json.loads(text)["epochs"])).any(), "asha stops"
    again = orch(tmp_path, "sweep", "grid.yaml", "--json")
    assert json.loads(again.stdout)["ran"] == 0
