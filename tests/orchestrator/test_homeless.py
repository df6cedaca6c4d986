"""A user who has no name, no home, or one in which nothing can be kept: a line that says what to set, and no traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.doctor import check_cache
from orchestrator.plan.prepare import data_location
from orchestrator.wandb.process import has_key, open_key_files
from tests.orchestrator.processes import ORCH, ROOT, write_grid

NOBODY = 54321
"""A number of a user without a name."""


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As in a container that runs under a number without a name: `Path.home` knows no folder."""

    def nobody() -> int:
        return NOBODY

    for name in ("HOME", "ORCH_CACHE", "XDG_CACHE_HOME", "ORCH_DATA", "ORCH_JOURNAL_DIR", "WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", nobody)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError):
        Path.home()
    write_grid(tmp_path, (0,))
    return tmp_path


@pytest.mark.parametrize("command", [["plan", "grid.yaml"], ["sweep", "grid.yaml"], ["data", "digits"]])
def test_where_nothing_can_be_kept_orch_cache_is_named(
    command: list[str], homeless: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command) == 2
    errors = capsys.readouterr().err
    assert f"user {NOBODY} has no home folder; set ORCH_CACHE" in errors
    assert not (homeless / "results").exists()


def test_orch_cache_is_enough(
    homeless: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCH_CACHE", str(homeless / "cache"))
    assert run(["plan", "grid.yaml"]) == 0
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0, capsys.readouterr().err
    assert run(["status", "results/sweep"]) == 0


def test_doctor_says_that_nothing_can_be_kept(homeless: Path) -> None:
    (found,) = check_cache()
    assert (found.about, found.state) == ("cache", "problem")
    assert "ORCH_CACHE" in found.fix


@pytest.mark.parametrize("folder", ["/proc/x", "/dev/null", "/dev/null/x", "/proc"])
def test_doctor_says_where_nothing_can_be_kept(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_CACHE", folder)
    (found,) = check_cache()
    assert folder in found.found


def test_doctor_says_nothing_of_a_cache_that_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    assert list(check_cache()) == []


def test_who_has_no_home_has_no_keys_there(homeless: Path) -> None:
    assert not has_key()
    assert open_key_files() == []


@pytest.mark.parametrize(
    "variables",
    [{"HOME": "/proc"}, {"HOME": "/dev/null"}, {"XDG_CACHE_HOME": "/proc/x"}, {"ORCH_CACHE": "/dev/null"}],
    ids=str,
)
def test_a_home_in_which_nothing_can_be_kept(variables: dict[str, str], tmp_path: Path) -> None:
    write_grid(tmp_path, (0,))
    ended = subprocess.run(
        [ORCH, "sweep", "grid.yaml", "--engine", "inline"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "ORCH_CACHE" in ended.stderr.splitlines()[-1]
    assert data_location(None, None).cache.is_absolute()


@pytest.mark.parametrize("seeds", ["9223372036854775808", "9" * 30])
def test_more_seeds_than_there_are(seeds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = write_grid(tmp_path, (0,))
    grid.write_text(grid.read_text().replace("seeds: [0]", "seeds: 2"))
    assert run(["sweep", str(grid), "--seeds", seeds]) == 2
    assert "the largest seed is 9223372036854775807" in capsys.readouterr().err
