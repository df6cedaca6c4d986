"""Leaving Ray."""

import ctypes
import os
import signal
import threading
import time

import pytest

from clusters.ray_cluster import _wait_and_hear


@pytest.mark.parametrize("lasts", [0.0, 0.2])
def test_a_handler_that_is_taken_away_below_python_hears_again(lasts: float) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))

    def leave() -> None:
        """As Ray does."""
        ctypes.CDLL(None).signal(ctypes.c_int(signal.SIGTERM), ctypes.c_void_p(0))
        time.sleep(lasts)

    try:
        leaving = threading.Thread(target=leave)
        leaving.start()
        _wait_and_hear(leaving, 60)
        os.kill(os.getpid(), signal.SIGTERM)  # by the default action it would end the tests
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
