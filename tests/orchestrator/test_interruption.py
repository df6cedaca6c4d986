"""Sweeps that are stopped, killed, or lose the Ray under them: what is finished is kept, and the same command goes on."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.orchestrator.processes import (
    SWEEPER,
    attempts,
    counts,
    family,
    finish,
    left_of,
    listening,
    start,
    sweep,
    trials,
    wait_until,
    write_grid,
)

SEEDS = (0, 100, 101)
"""A quick one and two slow ones, on two slots."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_grid(tmp_path, SEEDS)
    return tmp_path


def running(folder: Path, engine: str, slow: int) -> subprocess.Popen[str]:
    """A sweep that has finished its quick trial and is busy with `slow` slow ones."""
    process = start(folder, SWEEPER, "grid.yaml", engine)

    def busy() -> bool:
        found = counts(folder / "results" / "sweep")
        return found["completed"] == 1 and found["running"] == slow

    wait_until("one trial is completed and the others run", busy, process)
    return process


def assert_the_same_command_goes_on(folder: Path) -> None:
    (folder / "hurry").touch()
    code, _, errors = sweep(folder, "inline")
    assert code == 0, errors
    table = trials(folder)
    assert set(table["status"]) == {"completed"}
    assert table.loc[0, "attempts"] == 1, "a finished trial ran again"
    assert len(table) == 3


@pytest.fixture
def ended(folder: Path) -> Iterator[list[psutil.Process]]:
    """Collects processes that have to be gone at the end of the test."""
    processes: list[psutil.Process] = []
    yield processes
    left = left_of(processes)
    for process in processes:  # a test that fails must not leave a Ray behind
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert left == []


@pytest.mark.parametrize(
    ("engine", "number", "code"),
    [
        ("inline", signal.SIGINT, 130),
        pytest.param("inline", signal.SIGHUP, 129, marks=pytest.mark.slow),
        ("inline", signal.SIGTERM, 143),
        pytest.param("inline", signal.SIGUSR1, 138, marks=pytest.mark.slow),
        pytest.param("ray", signal.SIGINT, 130, marks=pytest.mark.ray),
        pytest.param("ray", signal.SIGUSR1, 138, marks=[pytest.mark.ray, pytest.mark.slow]),
    ],
)
def test_a_signal_stops_the_sweep_and_keeps_what_is_finished(
    folder: Path, ended: list[psutil.Process], engine: str, number: int, code: int
) -> None:
    process = running(folder, engine, slow=2 if engine == "ray" else 1)
    ended += family(process)
    if engine == "ray":
        addresses = listening([psutil.Process(process.pid), *ended])
        assert addresses, "the processes that listen were not found"
        assert all(address.is_loopback for address in addresses), addresses
    os.killpg(process.pid, number)  # as a terminal does, to the whole group
    process.send_signal(number)  # and once more, by an impatient user
    left, output, errors = finish(process)
    assert left == code, errors
    assert output == ""
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        f"stopped by {signal.Signals(number).name}; everything finished is kept. To go on: sweeper.py grid.yaml {engine}"
    )
    table = trials(folder)
    assert table.loc[0, "status"] == "completed"
    assert set(table.loc[[100, 101], "status"]) == ({"cancelled"} if engine == "ray" else {"cancelled", "pending"})
    if number == signal.SIGINT:  # what is kept does not depend on the signal, and every start costs seconds
        assert_the_same_command_goes_on(folder)


@pytest.mark.ray
@pytest.mark.chaos
def test_a_signal_while_ray_starts(folder: Path, ended: list[psutil.Process]) -> None:
    process = start(folder, SWEEPER, "grid.yaml", "ray")

    def starting() -> bool:
        return any(child.name() == "gcs_server" for child in family(process))

    wait_until("Ray is starting", starting, process)
    ended += family(process)
    process.terminate()
    code, output, errors = finish(process)
    assert (code, output) == (143, ""), errors
    assert "Traceback" not in errors
    assert dict(trials(folder)["status"].value_counts()) == {"pending": 3}


@pytest.mark.ray
@pytest.mark.parametrize(
    "victim", [pytest.param("raylet", marks=pytest.mark.slow), pytest.param("gcs_server", marks=pytest.mark.chaos)]
)
def test_a_ray_that_dies_ends_the_sweep_at_once(folder: Path, ended: list[psutil.Process], victim: str) -> None:
    process = running(folder, "ray", slow=2)
    ended += family(process)
    next(child for child in ended if child.name() == victim).kill()
    code, output, errors = finish(process)
    assert (code, output) == (3, ""), errors
    assert "Traceback" not in errors
    assert "have died" in errors.splitlines()[-1]
    assert "To go on: sweeper.py grid.yaml ray" in errors.splitlines()[-1]
    assert set(trials(folder).loc[[100, 101], "status"]) == {"cancelled"}
    assert_the_same_command_goes_on(folder)


@pytest.mark.ray
@pytest.mark.chaos
def test_a_driver_that_is_killed_leaves_no_process_and_runs_nothing_twice(
    folder: Path, ended: list[psutil.Process]
) -> None:
    process = running(folder, "ray", slow=2)
    # Ray's two agents end too, but only after a minute, in which they try to tell a GCS that is gone
    ended += [child for child in family(process) if not child.name().startswith(("ray::Dashboard", "ray::RuntimeEnv"))]
    assert {"raylet", "gcs_server"} <= {child.name() for child in ended}
    assert sum(child.name().startswith("ray::Slot") for child in ended) == 2
    process.kill()
    process.communicate()
    assert left_of(ended) == []
    assert_the_same_command_goes_on(folder)
    assert attempts(folder) == {0: ["completed"], 100: ["lost", "completed"], 101: ["lost", "completed"]}


def test_a_second_sweep_is_refused_while_one_runs(folder: Path) -> None:
    process = running(folder, "inline", slow=1)
    code, output, errors = sweep(folder, "inline")
    process.terminate()
    finish(process)
    assert (code, output) == (5, "")
    assert f"process {process.pid}" in errors.splitlines()[-1]
