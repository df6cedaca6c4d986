"""Threads under which Ray must not be shut down."""

import threading

from clusters.ray_thread import RayThread, ray_is_waited_for


def test_nobody_waits() -> None:
    assert not ray_is_waited_for()


def test_who_waits_is_given_time_and_no_more() -> None:
    answered = threading.Event()
    waiting = RayThread(target=answered.wait, daemon=True)
    other = threading.Thread(target=answered.wait, daemon=True)
    waiting.start()
    other.start()
    assert ray_is_waited_for(patience=0.05)
    threading.Timer(0.2, answered.set).start()
    assert not ray_is_waited_for(patience=60)
    other.join()
