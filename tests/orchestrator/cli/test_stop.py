"""`orch stop` from another process: what runs is finished or cancelled, what waits waits, nobody else stops."""

import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.stop import LOOK_PERIOD, ask_to_stop, asked_to_stop
from tests.orchestrator.processes import (
    ORCH,
    SWEEPER,
    attempts,
    counts,
    environment,
    finish,
    start,
    sweep,
    trials,
    wait_until,
    write_grid,
)
from tests.orchestrator.sample import write_sample

SEEDS = (0, 100, 101, 102, 103)
"""A quick one and slow ones, which end once there is a file `hurry`."""


def running(folder: Path, engine: str, slow: int) -> subprocess.Popen[str]:
    write_grid(folder, SEEDS)
    process = start(folder, SWEEPER, "grid.yaml", engine)

    def busy() -> bool:
        found = counts(folder / "results" / "sweep")
        return found["completed"] == 1 and found["running"] == slow

    wait_until("one trial is completed and others run", busy, process)
    return process


@pytest.mark.parametrize(
    ("engine", "slow"), [("inline", 1), pytest.param("ray", 2, marks=(pytest.mark.ray, pytest.mark.slow))]
)
def test_what_runs_is_finished_and_nothing_else_is_begun(tmp_path: Path, engine: str, slow: int) -> None:
    process = running(tmp_path, engine, slow)
    asked = subprocess.run(
        [ORCH, "stop", "results/sweep"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert f"process {process.pid}" in asked.stdout
    assert process.poll() is None, "it waits for what runs"
    time.sleep(4 * LOOK_PERIOD)
    (tmp_path / "hurry").touch()
    code, output, errors = finish(process)
    left = len(SEEDS) - 1 - slow
    assert (code, output) == (130, ""), errors
    assert errors.splitlines()[-1] == (
        f"stopped by orch stop; {left} trials wait. To go on: sweeper.py grid.yaml {engine}"
    )
    assert trials(tmp_path)["status"].value_counts().to_dict() == {"completed": 1 + slow, "pending": left}
    assert not ResultsPaths(tmp_path / "results" / "sweep").stop_request.exists()
    code, _, errors = sweep(tmp_path, "inline")
    assert code == 0, errors
    assert attempts(tmp_path) == {seed: ["completed"] for seed in SEEDS}


def test_now_cancels_what_runs(tmp_path: Path) -> None:
    process = running(tmp_path, "inline", 1)
    subprocess.run([ORCH, "stop", "results/sweep", "--now", "--wait"], cwd=tmp_path, env=environment(), check=True)
    code, _, errors = finish(process)
    assert code == 130, errors
    assert "stopped by orch stop; 4 trials wait" in errors.splitlines()[-1]
    assert trials(tmp_path)["status"].value_counts().to_dict() == {"completed": 1, "cancelled": 1, "pending": 3}


def test_no_sweep_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write_sample(tmp_path / "demo")
    assert run(["stop", str(paths.root)]) == 2
    assert capsys.readouterr().err == f"no sweep runs in {paths.root}; there is nothing to stop\n"
    assert run(["stop", str(tmp_path)]) == 2
    assert not paths.stop_request.exists()


def test_a_request_for_an_earlier_sweep_stops_no_later_one(tmp_path: Path) -> None:
    paths = ResultsPaths(tmp_path)
    ask_to_stop(paths, "now")  # its sweep was killed before it could obey
    with ResultsLock(paths):
        assert asked_to_stop(paths) is None
        ask_to_stop(paths, "drain")
        assert asked_to_stop(paths) == "drain"
    assert not paths.stop_request.exists()
