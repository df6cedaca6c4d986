"""The clock that stands still while its process is stopped."""

import signal
import subprocess
import sys
import time

import pytest

STOPPED = 5.0
"""Seconds: more than the clock takes for a slow moment."""
PROGRAM = """
import sys, time
from trainables.context import running_time
before, began = running_time.seconds(), time.monotonic()
print("began", flush=True)
sys.stdin.readline()
{busy}
ran, passed = running_time.seconds() - before, time.monotonic() - began
print(passed - ran, running_time.stopped_since(), running_time.stopped_since())
"""
HOLDS_ITS_LOCK = "import re; re.match(r'(a+)+$', 'a' * 27 + 'b')"


def _run(*, stop: bool, busy: str = "") -> list[float]:
    """What the clock leaves out, and what it tells of that, first and again."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(busy=busy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    if stop:
        process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED)
        process.send_signal(signal.SIGCONT)
    message, _ = process.communicate("go on\n")
    return [float(value) for value in message.split()]


def test_a_stopped_process_does_not_age() -> None:
    left_out, message, again = _run(stop=True)
    assert STOPPED - 2.0 < left_out < STOPPED + 2.0
    assert message == pytest.approx(left_out, abs=0.01)
    assert again == 0.0


@pytest.mark.slow
def test_a_process_that_works_ages_though_no_other_thread_of_it_runs() -> None:
    left_out, message, again = _run(stop=False, busy=HOLDS_ITS_LOCK)
    assert left_out == pytest.approx(0.0, abs=0.01)
    assert message == again == 0.0
