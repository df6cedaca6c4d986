"""Modes of what orch writes are what the umask leaves; what belongs to another user is told where it may not be read."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator import sample
from tests.orchestrator.processes import environment

GRID = """\
name: demo
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
protocol: {epochs: 1, keep_weights: best}
checkpoints: {seconds: 0, keep: best}
wandb: {mode: disabled}
"""
RUN = "import os, sys; from orchestrator.cli import run; os.umask(int(sys.argv[1], 8)); sys.exit(run(sys.argv[2:]))"
OWN_LOCKS = {".lock"}
"""Of filelock, whose modes are its own."""


@pytest.mark.parametrize("umask", ["077", "022", "002"])
def test_modes_are_what_the_umask_leaves(umask: str, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    surroundings = environment() | {"ORCH_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", RUN, umask, "sweep", "grid.yaml", "--engine", "inline", "-q"]
    subprocess.run(command, cwd=tmp_path, env=surroundings, check=True, capture_output=True)
    command = [sys.executable, "-c", RUN, umask, "report", "results/demo"]
    subprocess.run(command, cwd=tmp_path, env=surroundings, check=True, capture_output=True)
    written = [*(tmp_path / "results").rglob("*"), *(tmp_path / "cache").rglob("*")]
    endings = {path.suffix for path in written}
    assert {".safetensors", ".parquet", ".sqlite", ".seal", ".mark", ".json", ".html", ".npy"} <= endings
    left = ~int(umask, 8)
    wrong = {
        str(path.relative_to(tmp_path)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in written
        if path.name not in OWN_LOCKS
        and stat.S_IMODE(path.stat().st_mode) != (0o777 if path.is_dir() else 0o666) & left
    }
    assert wrong == {}


@pytest.mark.parametrize("command", ["status", "results", "verify", "repair"])
def test_results_of_another_user_are_told(command: str, tmp_path: Path) -> None:
    """As root without the right to read everything, where the tests run as root."""
    paths = sample.write_sample(tmp_path / "demo")
    start = [sys.executable, "-m", "orchestrator"]
    if os.geteuid() == 0:
        if (setpriv := shutil.which("setpriv")) is None:
            pytest.skip("root reads everything, and there is no setpriv to take that away")
        start = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *start]
    for path in (*paths.root.iterdir(), paths.root):
        path.chmod(0o755 if path == paths.root else 0o600)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        elif path != paths.root:
            path.chmod(0)
    ended = subprocess.run([*start, command, "demo"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ended.returncode == 2, ended
    assert "may not read" in ended.stderr
    assert "Traceback" not in ended.stderr
