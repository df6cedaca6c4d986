"""Signals as a flag."""

import os
import pickle
import signal
import threading
import time

import pytest

from orchestrator.cli import exit_code
from orchestrator.errors import Interrupted
from orchestrator.stopping import SIGNALS, Stopping


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
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


def test_nohup_is_honoured() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stopping() as stopping:
            stopping.retake()
            os.kill(os.getpid(), signal.SIGHUP)
            stopping.check()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    handlers = [signal.getsignal(number) for number in SIGNALS]
    seen: list[object] = []

    def work() -> None:
        with Stopping() as stopping:
            stopping.check()
            stopping.retake()
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == handlers


def test_an_interruption_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(Interrupted(2, "; to go on: orch sweep")))
    assert str(copy) == "stopped by SIGINT; to go on: orch sweep"
