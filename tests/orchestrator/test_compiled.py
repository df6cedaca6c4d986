"""Compiled trials: what torch's compiler keeps in their process is no side effect of theirs."""

import shutil
import subprocess
from pathlib import Path

import pytest

import orchestrator
from tests.orchestrator.processes import ORCH, environment

GRID = """\
name: compiled
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd, adam], regularizer: [none]}
protocol: {epochs: 1, compile: true}
seeds: [0]
wandb: {mode: disabled}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_a_compiled_trial_has_no_side_effects(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    command = [ORCH, "sweep", "grid.yaml", "--engine", "inline", "-q", "--results", "results"]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True)
    trials = orchestrator.load(tmp_path / "results").trials
    assert list(trials["compiled"]) == [True, True]
    assert list(trials["status"]) == ["completed", "completed"]
    assert trials["side_effects"].isna().all()
