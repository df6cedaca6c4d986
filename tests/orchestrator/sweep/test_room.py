"""Trials that a cluster has no room for: skipped with what they need, and run where there is room."""

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.errors import UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.record import NO_ROOM
from orchestrator.sweep.run import SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary

GRID = """\
name: sweep
axes: {dataset: [digits], model: [{name: mlp, hidden: [[4], [8]]}], optimizer: [adam], regularizer: [none]}
seeds: 2
protocol: {epochs: 1}
overrides: [{when: {model: {name: mlp, hidden: [8]}}, set: {resources.cpus: 2}}]
wandb: {mode: disabled}
"""
TUNING = "tuning: {trials: 3, search: random, space: {optimizer.lr: [1e-3, 1e-1, log]}}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sweep(cpus: int, grid: str = GRID) -> SweepSummary:
    Path("grid.yaml").write_text(grid)
    Path("cluster.yaml").write_text(f"name: tiny\ncpus: {cpus}\ngpus: 0\n")
    return run_sweep(SweepRequest(Path("grid.yaml"), Path("cluster.yaml"), engine="inline"), SilentProgress())


@pytest.mark.parametrize(("tuning", "each"), [("", 2), (TUNING, 5)])
def test_what_has_no_room_is_skipped_and_runs_on_a_larger_cluster(tuning: str, each: int) -> None:
    small = sweep(1, GRID + tuning)
    assert (small.ran, small.counts, small.succeeded) == (each, {"completed": each, "skipped": each}, True)
    skipped = pd.read_parquet("results/sweep/trials.parquet").query("status == 'skipped' and purpose == 'evaluation'")
    reason = f"{NO_ROOM}it needs 2 CPUs and 0 GPUs; 'tiny' has 1 node of 1 CPUs, 0 GPUs"
    assert set(skipped["reason"]) == {reason} or tuning
    again = sweep(1, GRID + tuning)
    assert (again.ran, again.counts) == (0, {"completed": each, "skipped": each})
    large = sweep(2, GRID + tuning)
    assert (large.ran, large.counts) == (each, {"completed": 2 * each})


def test_a_grid_without_any_room_is_an_error_and_writes_nothing() -> None:
    with pytest.raises(
        UserError, match="no trial has room here: it needs 2 CPUs and 0 GPUs; 'tiny' has 1 node of 1 CPUs"
    ):
        sweep(1, GRID.replace("overrides:", "resources: {cpus: 2}\noverrides: []  #"))
    assert not Path("results").exists()
