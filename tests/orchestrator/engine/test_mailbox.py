"""The mailbox between a slot and the sweep, with a thread as the slot."""

import threading
import time
from dataclasses import replace

from orchestrator.engine import EpochDone
from orchestrator.engine.slot_process import Mailbox
from tests.orchestrator.engine.trial_tasks import ended, epoch_done, started, trial_task


def test_tasks_go_in_and_events_come_out_in_their_order() -> None:
    mailbox = Mailbox()

    def slot() -> None:
        for _ in range(3):
            taken = mailbox.next_task()
            assert taken is not None
            mailbox.emit(started(taken.trial_id))
            mailbox.emit(ended(taken.trial_id))

    thread = threading.Thread(target=slot, daemon=True)
    thread.start()
    events = mailbox.swap([trial_task("a"), trial_task("b")], timeout=5)
    mailbox.submit([trial_task("c")])
    thread.join(5)
    events += mailbox.swap([], timeout=0)
    assert [(type(event).__name__, event.trial_id) for event in events] == [
        (name, trial) for trial in "abc" for name in ("Started", "AttemptFinished")
    ]
    assert mailbox.swap([], timeout=0) == []


def test_an_exchange_ends_at_once_when_something_happens() -> None:
    mailbox = Mailbox()
    threading.Timer(0.05, mailbox.emit, [epoch_done()]).start()
    began = time.monotonic()
    events = mailbox.swap([], timeout=60)
    assert isinstance(events[0], EpochDone)
    assert time.monotonic() - began < 30  # not the whole wait


def test_what_nobody_has_taken_can_be_taken_back() -> None:
    mailbox = Mailbox()
    mailbox.submit([trial_task("a"), trial_task("b"), trial_task("c")])
    assert mailbox.next_task() is not None
    assert mailbox.withdraw() == ["b", "c"]
    assert mailbox.next_task(timeout=0.01) is None
    assert mailbox.withdraw() == []


def test_there_may_be_no_order() -> None:
    assert Mailbox().next_task(timeout=0.01) is None


def test_a_trial_that_is_told_to_stop_hears_it_with_its_next_epoch() -> None:
    mailbox = Mailbox()
    assert not mailbox.emit(started("a"))
    assert not mailbox.emit(epoch_done("a"))
    mailbox.stop("a")
    assert mailbox.emit(epoch_done("a"))
    assert not mailbox.emit(ended("a"))


def test_what_is_said_of_an_earlier_attempt_is_not_heard_by_the_next() -> None:
    mailbox = Mailbox()
    mailbox.stop("a")
    assert not mailbox.emit(started("a"))
    assert not mailbox.emit(epoch_done("a"))


def test_a_stack_is_taken_back_whole() -> None:
    mailbox = Mailbox()
    mailbox.submit([replace(trial_task("a"), beside=(trial_task("b"), trial_task("c"))), trial_task("d")])
    assert mailbox.withdraw() == ["a", "b", "c", "d"]
