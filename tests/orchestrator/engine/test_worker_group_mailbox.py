"""The mailbox of a worker group, with threads as its ranks."""

import threading
from collections.abc import Callable, Iterator

import pytest

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Event, FailureKind, Started, worker_group
from orchestrator.engine.worker_group import WorkerGroupMailbox
from tests.orchestrator.engine.trial_tasks import ended, epoch_done, failed_event, started, trial_task
from trainables.spec import TrialTask

Act = Callable[[WorkerGroupMailbox, int, TrialTask], None]


@pytest.fixture
def started_group() -> Iterator[Callable[[Act], WorkerGroupMailbox]]:
    """Starts a mailbox with two ranks that take tasks until it closes."""
    mailboxes: list[tuple[WorkerGroupMailbox, list[threading.Thread]]] = []

    def start(act: Act) -> WorkerGroupMailbox:
        mailbox = WorkerGroupMailbox(2)

        def loop(rank: int) -> None:
            number = 0
            while (taken := mailbox.trial_task(number, 0.2)) is not False:
                if isinstance(taken, TrialTask):
                    number += 1
                    act(mailbox, rank, taken)

        threads = [threading.Thread(target=loop, args=(rank,), daemon=True) for rank in (0, 1)]
        for thread in threads:
            thread.start()
        mailboxes.append((mailbox, threads))
        return mailbox

    yield start
    for mailbox, threads in mailboxes:
        mailbox.close()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive(), "a rank did not leave its loop when the mailbox was closed"


def events_until_ends(mailbox: WorkerGroupMailbox, ends: int) -> list[Event]:
    events: list[Event] = []
    for _ in range(50):
        events += mailbox.exchange([], 0.2).events
        if sum(isinstance(event, AttemptFinished | AttemptFailed) for event in events) >= ends:
            return events
    raise AssertionError(f"not {ends} ends: {events}")


def good(mailbox: WorkerGroupMailbox, rank: int, taken: TrialTask) -> None:
    mailbox.emit(rank, started(taken.trial_id))
    mailbox.emit(rank, epoch_done(taken.trial_id))
    mailbox.emit(rank, ended(taken.trial_id))


def test_every_rank_gets_every_order_and_each_event_goes_out_once(
    started_group: Callable[[Act], WorkerGroupMailbox],
) -> None:
    seen: list[tuple[int, str]] = []

    def act(mailbox: WorkerGroupMailbox, rank: int, taken: TrialTask) -> None:
        seen.append((rank, taken.trial_id))
        good(mailbox, rank, taken)

    mailbox = started_group(act)
    mailbox.submit([trial_task("a")])
    first = events_until_ends(mailbox, 1)
    mailbox.submit([trial_task("b")])
    second = events_until_ends(mailbox, 1)
    for trial, events in (("a", first), ("b", second)):
        assert [(type(event), event.trial_id) for event in events] == [
            (Started, trial),
            (EpochDone, trial),
            (AttemptFinished, trial),
        ]
    assert sorted(seen) == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]


def test_the_end_waits_for_the_last_rank() -> None:
    mailbox = WorkerGroupMailbox(2)
    mailbox.emit(0, ended())
    assert mailbox.exchange([], 0).events == []
    mailbox.emit(1, ended())
    assert [type(event) for event in mailbox.exchange([], 0).events] == [AttemptFinished]


def test_both_ranks_failing_is_one_failure_and_the_worker_group_goes_on(
    started_group: Callable[[Act], WorkerGroupMailbox],
) -> None:
    def act(mailbox: WorkerGroupMailbox, rank: int, taken: TrialTask) -> None:
        if taken.trial_id == "a":
            mailbox.emit(rank, failed_event(trial_id="a", message=f"rank {rank}"))
        else:
            good(mailbox, rank, taken)

    mailbox = started_group(act)
    mailbox.submit([trial_task("a"), trial_task("b")])
    events = events_until_ends(mailbox, 2)
    failed = next(event for event in events if isinstance(event, AttemptFailed))
    assert (failed.trial_id, failed.failure.message) == ("a", "rank 0")
    assert [event.trial_id for event in events if isinstance(event, AttemptFinished | AttemptFailed)] == ["a", "b"]
    assert mailbox.exchange([], 0).usable


def test_what_no_rank_has_fetched_can_be_taken_back() -> None:
    mailbox = WorkerGroupMailbox(2)
    mailbox.submit([trial_task("a"), trial_task("b"), trial_task("c")])
    assert isinstance(mailbox.trial_task(0, 1), TrialTask)
    assert mailbox.withdraw() == ["b", "c"]
    for rank in (0, 1):
        mailbox.emit(rank, ended("a"))
    assert mailbox.trial_task(1, 0.01) is True
    mailbox.submit([trial_task("d")])
    for _rank in (0, 1):
        fetched = mailbox.trial_task(1, 1)
        assert isinstance(fetched, TrialTask)
        assert fetched.trial_id == "d"


def test_the_ranks_stay_in_step() -> None:
    """Trials that fail before their first collective operation would not keep them so."""
    mailbox = WorkerGroupMailbox(2)
    mailbox.submit([trial_task("a"), trial_task("b")])
    mailbox.trial_task(0, 1)
    mailbox.trial_task(0, 1)
    mailbox.emit(0, failed_event(trial_id="a", message="rank 0"))
    assert mailbox.trial_task(1, 0.01) is True, "the other rank is still at the first"
    mailbox.emit(1, failed_event(trial_id="a", message="rank 1"))
    assert isinstance(mailbox.trial_task(1, 1), TrialTask)
    assert [(type(event), event.trial_id) for event in mailbox.exchange([], 0).events] == [(AttemptFailed, "a")]


def test_a_ranks_own_failure_goes_before_the_echo_that_the_others_make_of_it() -> None:
    mailbox = WorkerGroupMailbox(2)
    mailbox.emit(0, failed_event(FailureKind.WORKER_LOST, "another worker of this trial has failed"))
    mailbox.emit(1, failed_event(FailureKind.ERROR, "ValueError: the cause"))
    (event,) = mailbox.exchange([], 0).events
    assert isinstance(event, AttemptFailed)
    assert event.failure.message == "ValueError: the cause"


def test_a_rank_that_fails_alone_breaks_the_worker_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_group, "PATIENCE", 0.1)
    mailbox = WorkerGroupMailbox(2)
    mailbox.submit([trial_task("a"), trial_task("b")])
    assert isinstance(mailbox.trial_task(0, 1), TrialTask)
    assert isinstance(mailbox.trial_task(0, 1), TrialTask)
    mailbox.emit(0, started("a"))
    mailbox.emit(1, failed_event(trial_id="a", message="rank 1 alone"))
    exchanged = mailbox.exchange([], 0)
    assert [type(event) for event in exchanged.events] == [Started]
    assert exchanged.usable
    exchanged = mailbox.exchange([], 5)
    assert [type(event) for event in exchanged.events] == [AttemptFailed]
    assert not exchanged.usable
    assert mailbox.wait_closed(5), "the rank that hangs is to be ended"
    assert mailbox.trial_task(1, 5) is False, "nothing more is begun in a broken worker group"


def test_a_late_end_of_a_broken_worker_group_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_group, "PATIENCE", 0.0)
    mailbox = WorkerGroupMailbox(2)
    mailbox.emit(1, failed_event(message="alone"))
    assert len(mailbox.exchange([], 1).events) == 1
    mailbox.emit(0, ended())
    assert mailbox.exchange([], 0.05).events == []


def test_a_trial_that_is_told_to_stop_hears_it_through_its_first_rank() -> None:
    mailbox = WorkerGroupMailbox(2)
    mailbox.submit([trial_task("a")])
    for rank in (0, 1):
        mailbox.trial_task(0, 0)
        assert not mailbox.emit(rank, started("a"))
    assert not mailbox.emit(0, epoch_done("a"))
    mailbox.stop("a")
    assert mailbox.emit(0, epoch_done("a"))
    for rank in (0, 1):
        mailbox.emit(rank, ended("a"))
    assert not mailbox.emit(0, epoch_done("a")), "it is over"
