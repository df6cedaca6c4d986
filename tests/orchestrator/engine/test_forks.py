"""Forks of a process that has imported everything: they have it, and end with who has asked for them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.engine import forks
from orchestrator.engine.forks import Fork
from tests.orchestrator.processes import PATIENCE, ROOT

DRIVER = """
import sys, time
from orchestrator.engine import forks
from tests.orchestrator.engine.test_forks import sleep
with forks.fork_server():
    fork = forks.Fork(forks.address(), sleep, (), [1])
    print(fork.pid, forks.address(), flush=True)
    time.sleep(600)
"""


def tell(descriptor: int) -> None:
    """Say what it has from whom, with what it had before it was asked for."""
    told = (os.environ["ASKED"], "torch" in sys.modules, "ray" in sys.modules, os.getpid() == os.getpgid(0))
    os.write(descriptor, repr(told).encode())


def sleep(descriptor: int) -> None:
    child = subprocess.Popen(["sleep", "600"])
    os.write(descriptor, f"{child.pid}\n".encode())
    time.sleep(600)


def fail(_: int) -> None:
    raise ZeroDivisionError


def asked(function: Callable[[int], None]) -> tuple[Fork, str]:
    """A fork, and the first that it says; nothing where it says nothing."""
    reading, writing = os.pipe()
    try:
        fork = Fork(forks.address(), function, (), [writing])
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as says:
        return fork, says.read(1000).decode()


def gone(*pids: int) -> bool:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        left = []
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                left += [pid] if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else []
        if not left:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with forks.fork_server():
        yield


def test_a_fork_has_torch_at_once_and_the_environment_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("one", "two"):
        monkeypatch.setenv("ASKED", word)
        fork, told = asked(tell)
        assert told == repr((word, True, False, True))
        assert fork.code(PATIENCE) == 0
        fork.close()


def test_a_fork_that_is_closed_is_killed_with_all_that_it_has_started_and_others_are_not() -> None:
    (one, ones_child), (two, twos_child) = asked(sleep), asked(sleep)
    one.close()
    assert gone(one.pid, int(ones_child))
    assert psutil.Process(int(twos_child)).is_running()
    two.close()
    assert gone(two.pid, int(twos_child))


def test_how_a_fork_has_ended_is_told_and_what_it_left_is_killed() -> None:
    failed, _ = asked(fail)
    assert failed.code(PATIENCE) == 1
    failed.close()
    killed, child = asked(sleep)
    assert killed.code(0.0) is None, "it lives"
    killed.close()
    killed, child = asked(sleep)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.code(PATIENCE) == -signal.SIGKILL
    assert gone(int(child))
    killed.close()


def test_a_driver_that_is_killed_leaves_no_fork_and_no_folder() -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    said = ""
    while len(said.split()) < 3:
        said += driver.stdout.read(1)
    said += driver.stdout.readline()
    family = [child.pid for child in psutil.Process(driver.pid).children(recursive=True)]
    (address,) = [word for word in said.split() if word.endswith("/s")]
    assert Path(address).is_socket()
    assert len(family) == 3, "the server, the fork and what it has started"
    driver.kill()
    driver.wait()
    assert gone(*family)
    assert not Path(address).parent.exists()


def test_without_a_server_nothing_is_forked(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Fork(str(tmp_path / "s"), tell, (), [])
