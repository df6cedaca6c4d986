"""Signals as a flag."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

from clusters.signals import ENDING, WARNINGS
from orchestrator.cli import exit_code
from orchestrator.errors import Interrupted
from orchestrator.sweep.stop import Stopping

CODES = {
    signal.SIGHUP: 129,
    signal.SIGINT: 130,
    signal.SIGQUIT: 131,
    signal.SIGUSR1: 138,
    signal.SIGUSR2: 140,
    signal.SIGTERM: 143,
    signal.SIGXCPU: 152,
}


@pytest.mark.parametrize(("number", "code"), CODES.items())
def test_a_signal_is_raised_when_the_sweep_looks(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with Stopping() as stopping:
        stopping.check()
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted) as stopped:
            stopping.check()
    assert exit_code(stopped.value) == code
    assert str(stopped.value) == f"stopped by {number.name}"
    assert signal.getsignal(number) is before


def test_handlers_that_a_library_puts_in_place_are_replaced() -> None:
    with Stopping() as stopping:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stopping.retake()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            stopping.check()


def test_what_the_handler_of_a_library_has_received_stops_the_sweep_too() -> None:
    with Stopping() as stopping:
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as stopped:
            for _ in range(6000):  # a thread hears of it
                stopping.check()
                time.sleep(0.01)
    assert stopped.value.signal_number == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGHUP, *WARNINGS])
def test_nohup_and_its_like_are_honoured(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Stopping() as stopping:
            stopping.retake()
            os.kill(os.getpid(), number)
            stopping.check()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    handlers = [signal.getsignal(number) for number in ENDING]
    seen: list[object] = []

    def work() -> None:
        with Stopping() as stopping:
            stopping.check()
            stopping.retake()
            seen.extend(signal.getsignal(number) for number in ENDING)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == handlers


def test_an_interruption_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(Interrupted(2, "; to go on: orch sweep")))
    assert str(copy) == "stopped by SIGINT; to go on: orch sweep"


EARLY = """
import os, signal, sys, time
from orchestrator.sweep.stop import signal_of, stop_early
stop_early()
try:
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(60)
except KeyboardInterrupt as stopped:
    print(int(signal_of(stopped)))
"""


@pytest.mark.parametrize("number", ENDING)
def test_before_a_sweep_has_begun_too(number: signal.Signals) -> None:
    ended = subprocess.run([sys.executable, "-c", EARLY, str(int(number))], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{int(number)}\n"


MADE_INTO_ANOTHER = """
import os, signal, sys
from orchestrator.cli.terminal import group
from orchestrator.sweep.stop import stop_early
stop_early()

def interrupted(**_):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
    except KeyboardInterrupt:
        pass
    raise ValueError('Error building "literal" validator')

group.orch.main = interrupted
sys.exit(group.run(["plan"]))
"""


@pytest.mark.parametrize("number", ENDING)
def test_before_a_sweep_has_begun_also_where_a_library_makes_another_error_of_it(number: signal.Signals) -> None:
    asked = [sys.executable, "-c", MADE_INTO_ANOTHER, str(int(number))]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ended.returncode == 128 + number, ended.stderr
    assert ended.stderr == f"stopped by {number.name}; the same command starts over\n"


LOST = """
import os, sys
from orchestrator.errors import Interrupted
from orchestrator.sweep.stop import Stopping, stop_early
stop_early()
try:
    os.kill(os.getpid(), int(sys.argv[1]))
except KeyboardInterrupt:
    pass
try:
    with Stopping() as stopping:
        stopping.check()
except Interrupted as stopped:
    print(stopped.signal_number)
"""


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_a_library_loses_ends_the_sweep_as_it_begins(number: signal.Signals) -> None:
    ended = subprocess.run([sys.executable, "-c", LOST, str(int(number))], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{int(number)}\n"


DEAF = """
import os, signal, subprocess, sys
from clusters.signals import WARNINGS, children_deaf_to
with children_deaf_to(WARNINGS):
    child = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '0.5']); print('lived')"])
for number in WARNINGS:
    signal.signal(number, signal.SIG_IGN)
    os.killpg(0, number)
sys.exit(child.wait())
"""


def test_who_works_for_a_sweep_hears_no_warning_that_is_meant_for_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DEAF], capture_output=True, text=True, start_new_session=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "lived\n"), ended.stderr
