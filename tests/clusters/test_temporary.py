"""A temporary folder that cannot be made is reported in one line, with what to do."""

import errno
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

import pytest

from clusters.errors import NoTemporaryFolder
from clusters.file import read_cluster
from clusters.nodes import Node
from clusters.ray_cluster import RayCluster
from clusters.temporary import temporary_folder
from orchestrator.doctor import check_data
from orchestrator.engine import Shape, Work
from orchestrator.engine.ray import RayEngine
from orchestrator.errors import InfrastructureLost
from tests.orchestrator.processes import environment
from trainables.training.trial import run_trial

GRID = """\
name: seen
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
BEGINS = """\
import sys
from pathlib import Path
from clusters import temporary
from orchestrator.cli import run
temporary._ROOT = Path("/proc/sys")
sys.exit(run(sys.argv[1:]))
"""
"""`orch` on a machine whose `/tmp` cannot be written to."""
SAID = "no temporary folder can be made in /proc/sys: "


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the folders that Python would try can be written to."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent", "/proc/sys"])


def test_it_is_ours_alone_and_empty(tmp_path: Path) -> None:
    folder = temporary_folder("orch-", tmp_path)
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []


def test_where_python_finds_no_place_what_was_tried_is_named_and_the_variable(nowhere: None) -> None:
    with pytest.raises(NoTemporaryFolder) as wrong:
        temporary_folder("orch-")
    assert "/nonexistent" in wrong.value.found
    assert wrong.value.fix == "set TMPDIR to a folder that can be written to"
    assert str(pickle.loads(pickle.dumps(wrong.value))) == str(wrong.value)


@pytest.mark.parametrize("place", ["missing", "file", "/proc/sys"])
def test_a_place_that_takes_none_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    root = tmp_path / place
    with pytest.raises(NoTemporaryFolder) as wrong:
        temporary_folder("orch-", root)
    assert wrong.value.found.startswith(f"no temporary folder can be made in {root}: ")
    assert wrong.value.fix.startswith(f"make {root} writable")


def test_a_place_without_room_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would wait for half a minute for a file that it cannot write there, and tell of nothing else."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NoTemporaryFolder, match="No space left on device"):
        temporary_folder("orch-", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_tells_of_it_as_of_any_problem(nowhere: None, tmp_path: Path) -> None:
    (found,) = check_data(tmp_path)
    assert (found.state, found.fix) == ("problem", "set TMPDIR to a folder that can be written to")
    assert "/nonexistent" in found.found


class OneWorkerGroup:
    """A trial of two workers waits."""

    def shapes(self) -> list[Shape]:
        return [Shape(2, 1, 0.0)]

    def waiting(self, _: Shape) -> int:
        return 1

    def bad_nodes(self) -> frozenset[str]:
        return frozenset()


def test_a_worker_group_that_has_no_folder_ends_the_sweep_with_what_is_finished_kept(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RayCluster, "nodes", (Node("node", "127.0.0.1", 2.0, 0, 2.0**30),))
    engine = RayEngine(read_cluster(None), run_trial)
    engine._pool.update(engine._cluster.nodes, ())
    with pytest.raises(InfrastructureLost, match=r"set TMPDIR .*; everything finished is kept"):
        engine.run(cast(Work, OneWorkerGroup()))


@pytest.mark.parametrize(("command", "code"), [("sweep grid.yaml -q", 3), ("doctor", 1)])
def test_a_ray_that_has_no_folder_is_reported_in_one_line(command: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    (tmp_path / "begins.py").write_text(BEGINS)
    ended = subprocess.run(
        [sys.executable, "begins.py", *command.split()],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    (line,) = [line for line in (ended.stdout + ended.stderr).splitlines() if SAID in line]
    assert "make /proc/sys writable" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert line.startswith(SAID) == (command != "doctor")
