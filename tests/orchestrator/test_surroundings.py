"""Where a command is given: a disk that cannot be written, a working directory that is gone, a name that is no UTF-8."""

import os
import subprocess
from pathlib import Path

import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.errors import UserError
from orchestrator.store.journal import Journal
from tests.orchestrator import processes, sample

COMMANDS = ("status", "verify", "results", "report", "repair", "claims", "stop")
MOUNTED = "mount --bind {0} {0} && mount -o remount,ro,bind {0} && "


def mounted(folder: Path, command: str, cwd: Path) -> tuple[int, str, str]:
    """A shell command where the folder can be read and not be written."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount")
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNTED.format(folder) + command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=processes.environment(),
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("shared", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["no shm", "with its shm"])
def test_a_copy_with_a_log_is_read_where_nothing_can_be_written(tmp_path: Path, shared: bool) -> None:
    """The copy of a sweep that runs, or was killed: what was committed last stands in the log alone."""
    paths, journal = sample.write_running(tmp_path / "live")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in paths.root.iterdir():
        if shared or not path.name.endswith("-shm"):
            (copy / path.name).write_bytes(path.read_bytes())
    right = Journal.read(paths.journal).counts()
    journal.close()
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    code, said, errors = mounted(copy, f"{processes.ORCH} status {copy} && {processes.ORCH} verify {copy}", tmp_path)
    assert code == 0, errors
    for status, count in right.items():
        assert f"{status:14} {count:>8}" in said
    code, _, errors = mounted(copy, f"{processes.ORCH} repair {copy}", tmp_path)
    assert (code, len(errors.splitlines())) in {(0, 0), (2, 1)}, errors
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    processes.write_grid(tmp_path, [0])
    sweep = f"{processes.ORCH} sweep grid.yaml --engine inline -q"
    without = f"unset ORCH_CACHE XDG_CACHE_HOME; HOME={home} "
    code, _, errors = mounted(home, without + sweep, tmp_path)
    assert (code, len(errors.splitlines()), "ORCH_CACHE" in errors) == (2, 1, True), errors
    code, _, errors = mounted(home, f"{without} ORCH_CACHE={tmp_path}/cache {sweep}", tmp_path)
    assert code == 0, errors


@pytest.mark.parametrize("arguments", ["status demo", "list dataset", "plan /grid.yaml", "sweep g.yaml --results /x"])
def test_a_working_directory_that_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(arguments.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the working directory was deleted")
    os.chdir(tmp_path)


@pytest.mark.parametrize("given", ["results", ".", "", "../demo", Path("results")], ids=repr)
def test_results_are_not_loaded_from_a_working_directory_that_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    whole = sample.write_sample(tmp_path / "demo").root
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UserError, match=r"^the working directory was deleted"):
        orchestrator.load(given)
    assert not orchestrator.load(whole).trials.empty, "a whole path leads there still"
    os.chdir(tmp_path)


@pytest.mark.parametrize("goes", ["elsewhere", "nowhere"])
def test_results_that_were_loaded_stay_those_of_their_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes: str
) -> None:
    sample.write_sample(tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    loaded = orchestrator.load("demo")
    (tmp_path / goes).mkdir()
    os.chdir(tmp_path / goes)
    if goes == "nowhere":
        (tmp_path / goes).rmdir()
    assert not loaded.trials.empty
    assert not loaded.cells().empty
    os.chdir(tmp_path)


@pytest.mark.parametrize("where", ["results", "working directory"])
def test_a_name_that_is_no_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    not_utf8 = tmp_path / os.fsdecode(b"r\xffx")
    folder = not_utf8 if where == "working directory" else tmp_path
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    processes.write_grid(folder, [0])
    results = str(not_utf8) if where == "results" else "demo"
    before = sorted({path.name for path in folder.iterdir()} - {not_utf8.name})
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q", "--results", results]) == 2
    sample.write_sample(tmp_path / "whole").root.rename(results)
    codes = {command: run([command, results]) for command in COMMANDS}
    assert set(codes.values()) == {2}, codes
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + len(COMMANDS)
    assert all("has a name that is not UTF-8" in line for line in lines), lines
    assert before == sorted({path.name for path in folder.iterdir()} - {not_utf8.name, "demo"})
