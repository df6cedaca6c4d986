"""The note of who writes: believed as long as that very process lives, whatever the clock and its number say."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from orchestrator.store.lock_note import Holder, born, read_note, write_note
from orchestrator.store.paths import ResultsPaths

DAY = "T09:00:00+00:00"


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    return ResultsPaths(tmp_path)


def noted(paths: ResultsPaths, holder: Holder) -> Holder | None:
    write_note(paths, holder)
    return read_note(paths)


@pytest.mark.parametrize("since", [f"1970-01-01{DAY}", f"2001-01-01{DAY}", f"2199-01-01{DAY}", "yesterday", ""])
def test_a_clock_that_was_set_ends_no_sweep(paths: ResultsPaths, since: str) -> None:
    found = noted(paths, replace(Holder.own(), since=since))
    assert found is not None
    assert found.lives()


@pytest.mark.parametrize("start", ["another time", "another boot", "another process"])
def test_a_number_that_another_process_has_by_now(paths: ResultsPaths, start: str) -> None:
    own = Holder.own()
    boot, ticks = own.born.split()
    other = {
        "another time": f"{boot} {int(ticks) - 1}",
        "another boot": f"{'0' * len(boot)} {ticks}",
        "another process": born(os.getppid()) or "",
    }
    assert other[start] not in ("", own.born)
    found = noted(paths, replace(own, born=other[start]))
    assert found is not None
    assert not found.lives()


@pytest.mark.parametrize("waited_for", [True, False], ids=["gone", "a zombie"])
def test_a_process_that_has_ended(paths: ResultsPaths, waited_for: bool) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = noted(paths, replace(Holder.own(), pid=process.pid, born=born(process.pid) or ""))
    assert found is not None
    assert found.lives()
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | (0 if waited_for else os.WNOWAIT))
    assert not found.lives()
    process.wait()


def test_a_process_whose_name_looks_like_the_rest_of_its_line(paths: ResultsPaths, tmp_path: Path) -> None:
    """proc(5) sets the name in brackets, and a name may have brackets and spaces itself."""
    command = tmp_path / "a) Z 1 (b"
    command.symlink_to("/bin/cat")
    process = subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"begun\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"begun\n"
    found = noted(paths, replace(Holder.own(), pid=process.pid, born=born(process.pid) or ""))
    assert found is not None
    assert found.lives()
    process.communicate()
    assert not found.lives()


@pytest.mark.parametrize("host", ["elsewhere.invalid", socket.gethostname()])
def test_a_note_that_came_with_a_copy_is_none(paths: ResultsPaths, tmp_path: Path, host: str) -> None:
    """Of whatever machine: there it would have to be believed."""
    write_note(paths, replace(Holder.own(), host=host))
    copy = ResultsPaths(tmp_path / "copy")
    copy.root.mkdir()
    copy.lock_holder.write_bytes(paths.lock_holder.read_bytes())
    assert read_note(copy) is None
    assert read_note(paths) is not None


def test_a_note_of_another_machine_that_shares_the_directory_is_believed(paths: ResultsPaths) -> None:
    found = noted(paths, replace(Holder.own(), host="elsewhere.invalid", pid=2**30, born="x 1"))
    assert found is not None
    assert found.lives()


def test_a_directory_that_was_renamed_keeps_its_note(paths: ResultsPaths, tmp_path: Path) -> None:
    inner = ResultsPaths(tmp_path / "before")
    inner.root.mkdir()
    own = Holder.own()
    write_note(inner, own)
    inner.root.rename(tmp_path / "after")
    assert read_note(ResultsPaths(tmp_path / "after")) == own


@pytest.mark.parametrize("since", [f"2001-01-01{DAY}", "yesterday", "9" * 400])
def test_a_note_of_an_earlier_orch_says_no_start(paths: ResultsPaths, since: str) -> None:
    note = asdict(replace(Holder.own(), since=since))
    del note["born"]
    paths.lock_holder.write_text(json.dumps(note))
    found = read_note(paths)
    assert found is not None
    assert not found.lives(), "the process of this number began later, or nobody knows when"
