"""What measurements find out of a trial is in its run, whether they ran before that was written or after."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run as orch
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.wandb.board_content import read_content
from tests.orchestrator.wandb.test_wandb import inspect, run_folders
from tests.orchestrator.wandb.wandb_session import write
from tests.wandb_server import WandbServer

GRID = """\
name: demo
axes:
  dataset: digits
  model: [{name: mlp, hidden: 4}]
  optimizer: [adam]
seeds: 1
protocol: {epochs: 1, keep_weights: best}
wandb: {mode: disabled}
"""
EXPLAIN = "{name: explain, pictures: 4, methods: [integrated_gradients, saliency]}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results directory of one trial that nobody has measured."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "grid.yaml").write_text(GRID)
    run_sweep(SweepRequest(grid=folder / "grid.yaml", results=folder / "demo", engine="inline"), SilentProgress())
    return folder / "demo"


@pytest.fixture
def paths(trained: Path, tmp_path: Path) -> ResultsPaths:
    shutil.copytree(trained, tmp_path / "demo")
    return ResultsPaths(tmp_path / "demo")


def measure(paths: ResultsPaths, what: str) -> None:
    assert orch(["measure", str(paths.root), what, "--engine", "inline", "-q"]) == 0


def trial_in(paths: ResultsPaths) -> str:
    return str(pd.read_parquet(paths.table("trials"))["trial_id"].iloc[0])


def test_a_run_in_a_folder_is_written_anew_when_its_trial_was_measured(
    paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    assert write(paths, mode="offline").written == 1
    trial = trial_in(paths)
    measure(paths, EXPLAIN)
    assert write(paths, mode="offline").written == 1
    (folder,) = run_folders(paths, trial)
    updates = [record["summary"]["update"] for record in inspect(folder)["summary"]]
    summary = {key: value for update in updates for key, value in update.items()}
    gain = pd.read_parquet(paths.table("trials"))["explanation_gain"].iloc[0]
    assert summary["explanation_gain"] == pytest.approx(gain)
    assert list(folder.rglob("explanations*.png")), "the gallery"
    assert write(paths, mode="offline").written == 0
    assert read_content(paths).sections[-1].media == ("explanations",)


def test_a_run_that_is_at_wandb_is_told_once_what_was_found_out_since(server: WandbServer, paths: ResultsPaths) -> None:
    sent = write(paths)
    assert (sent.written, sent.pending) == (1, 0)
    (run,) = server.account.runs.values()
    assert "explanation_gain" not in run.summary
    measure(paths, EXPLAIN)
    assert write(paths).pending == 0
    (run,) = server.account.runs.values()
    gain = pd.read_parquet(paths.table("trials"))["explanation_gain"].iloc[0]
    assert run.summary["explanation_gain"] == pytest.approx(gain)
    assert run.summary["explanations"]["_type"] == "image-file"
    assert [row["_step"] for row in run.history] == [1] and run.complete
    images = {name for name in run.files if name.endswith(".png")}
    assert len(images) == 1
    ledger = paths.wandb_sent.read_text()
    assert write(paths).pending == 0
    assert paths.wandb_sent.read_text() == ledger and {name for name in run.files if name.endswith(".png")} == images
    measure(paths, "{name: groups, by: [class]}")
    assert write(paths).pending == 0
    assert run.summary["worst_group_accuracy"] == pytest.approx(
        pd.read_parquet(paths.table("trials"))["worst_group_accuracy"].iloc[0]
    )


def test_a_trial_that_was_measured_first_is_written_once(server: WandbServer, paths: ResultsPaths) -> None:
    measure(paths, EXPLAIN)
    sent = write(paths)
    assert (sent.written, sent.pending) == (1, 0)
    (run,) = server.account.runs.values()
    assert "explanation_gain" in run.summary and len([name for name in run.files if name.endswith(".png")]) == 1
    ledger = paths.wandb_sent.read_text()
    assert write(paths).pending == 0 and paths.wandb_sent.read_text() == ledger
