"""The end of a process that does not look at its signals."""

import signal
import subprocess
import sys
import threading

import psutil
import pytest

from orchestrator.sweep.stop import ExitWatchdog

BLOCKED = """
import subprocess, sys, threading
from orchestrator.sweep import stop
from orchestrator.sweep.stop import Stopping

stop.FIRST_SECONDS, stop.SECOND_SECONDS = map(float, sys.argv[1:])
with Stopping():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    threading.Event().wait()  # like a call that never comes back: the handlers run and set their flag, and it goes on
"""


def blocked(first: float, second: float) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A sweep that never looks, and its child."""
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED, str(first), str(second)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_does_not_leave_is_ended_with_the_code_of_the_signal(number: signal.Signals, code: int) -> None:
    process, child = blocked(first=0.1, second=600)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == code
    assert message.startswith(f"\nstopped by {number.name} immediately; everything finished is kept")
    assert "To go on: " in message
    child.wait(timeout=60)


def test_a_second_signal_hastens_the_end_and_the_first_names_it() -> None:
    process, child = blocked(first=600, second=0.1)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    child.wait(timeout=60)


def test_two_signals_at_once_are_one() -> None:
    process, child = blocked(first=600, second=0.1)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.0)
    process.kill()
    child.kill()
    process.communicate()


def test_nothing_is_left_of_it_when_it_is_closed() -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    threads = set(threading.enumerate())
    watchdog = ExitWatchdog((signal.SIGTERM,), print, str)
    watchdog.open()
    assert set(threading.enumerate()) - threads
    watchdog.close()
    assert set(threading.enumerate()) == threads
    after = signal.set_wakeup_fd(before)
    assert after == before
