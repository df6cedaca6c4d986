"""One sweep writes one results directory."""

import getpass
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import LockedResults, UserError
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
with ResultsLock(ResultsPaths(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_sweep_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    paths = ResultsPaths(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        with pytest.raises(LockedResults) as refused, ResultsLock(paths):
            pass
        for part in (getpass.getuser(), socket.gethostname(), f"process {holder.pid}", str(tmp_path)):
            assert part in str(refused.value)
    finally:
        holder.kill()  # as hard as a machine does: the kernel gives the lock back
        holder.communicate()
    with ResultsLock(paths):
        assert json.loads(paths.lock_holder.read_text())["pid"] == os.getpid()
    assert not paths.lock_holder.exists()


DEAD = {"user": "nobody", "host": socket.gethostname(), "pid": 2**31 - 1, "since": "2020-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("note", ["{", json.dumps(DEAD)], ids=["half of one", "of a sweep that was killed"])
def test_a_holder_that_has_not_signed_yet(tmp_path: Path, note: str) -> None:
    paths = ResultsPaths(tmp_path)
    with ResultsLock(paths):
        paths.lock_holder.write_text(note)
        with pytest.raises(LockedResults, match="another sweep"), ResultsLock(paths):
            pass


def test_a_directory_that_cannot_be_written_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="cannot write results to /proc"), ResultsLock(ResultsPaths(Path("/proc"))):
        pass


def test_a_user_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number: `getpass` finds nobody."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    paths = ResultsPaths(tmp_path)
    with ResultsLock(paths):
        assert json.loads(paths.lock_holder.read_text())["user"] == f"user {os.getuid()}"
