"""Modes of what orch writes are what the umask leaves; what belongs to another user is reported where it may not be read."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import run
from tests import forks
from tests.marks import slow_but
from tests.orchestrator import sample
from tests.orchestrator.processes import PATIENCE, environment

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


@pytest.mark.parametrize("umask", slow_but(["002"], ["077", "022", "002"]))
def test_modes_are_what_the_umask_leaves(umask: str, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    surroundings = environment() | {"ORCH_CACHE": str(tmp_path / "cache")}
    for command in (["sweep", "grid.yaml", "--engine", "inline", "-q"], ["report", "results/demo"]):
        forks.run(tmp_path, ["-c", RUN, umask, *command], surroundings, PATIENCE).check_returncode()
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


def as_one_without_rights() -> list[str]:
    """What starts Python as a user who may not read everything: root without that right, where the tests run as root."""
    if os.geteuid():
        return [sys.executable]
    if (setpriv := shutil.which("setpriv")) is None:
        pytest.skip("root reads everything, and there is no setpriv to take that away")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search,-fowner", sys.executable]


def given_away(path: Path, mode: int) -> None:
    """To another user, with a mode as of everybody else; where only root could do that, this user has no right either."""
    path.chmod(mode if os.geteuid() == 0 else mode & 0o7 | (mode & 0o7) << 6)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)


@pytest.mark.parametrize("command", ["status", "results", "verify", "repair"])
def test_results_of_another_user_are_reported(command: str, tmp_path: Path) -> None:
    start = [*as_one_without_rights(), "-m", "orchestrator"]
    paths = sample.write_sample(tmp_path / "demo")
    for path in (*paths.root.iterdir(), paths.root):
        given_away(path, 0o755 if path == paths.root else 0o600)
    ended = subprocess.run([*start, command, "demo"], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ended.returncode == 2, ended
    assert "may not read" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("folder", "file", "code"),
    [(0o755, 0o644, 0), (0o755, 0o600, 2), (0o700, 0o600, 2)],
    ids=["may be read", "whose files may not be read", "may not be entered"],
)
def test_a_cache_of_another_user_is_read_or_told(
    folder: int, file: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = [*as_one_without_rights(), "-m", "orchestrator", "data", "digits"]
    cache = tmp_path / "cache"
    surroundings = environment() | {"ORCH_CACHE": str(cache)}
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ORCH_CACHE", str(cache))
        assert run(["data", "digits"]) == 0
    for path in sorted(cache.rglob("*"), reverse=True):
        given_away(path, folder if path.is_dir() else file)
    given_away(cache, folder)
    ended = subprocess.run(start, cwd=tmp_path, env=surroundings, capture_output=True, text=True)
    assert ended.returncode == code, ended
    assert "Traceback" not in ended.stderr
    assert ("choose another folder with ORCH_CACHE" in ended.stderr) == (code != 0)
    assert len(ended.stderr.splitlines()) == (1 if code else 0), ended.stderr
