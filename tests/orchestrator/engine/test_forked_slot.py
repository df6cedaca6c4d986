"""A slot whose process is a fork: as one that is not, for the driver, and lost where its fork is."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Event, Shape, Started, forks
from orchestrator.engine.forked_slot import SlotActor
from tests.orchestrator.engine.trial_tasks import result, trial_task
from tests.orchestrator.processes import PATIENCE
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context
from trainables.records import TrialResult
from trainables.spec import TrialTask


def run_trial(given: TrialTask, context: Context) -> TrialResult:
    if given.trial_id == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    while given.trial_id == "long" and not context.report(epoch_row()):
        time.sleep(0.01)
    print(os.getpid())
    return result()


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with forks.fork_server():
        yield


@pytest.fixture
def slot() -> Iterator[SlotActor]:
    slot = SlotActor("slot-1", Shape(1, 1, 0.0), run_trial, forks.address())
    yield slot
    assert slot._remote is not None
    slot._remote._fork.close()


def until_ended(slot: SlotActor) -> list[Event]:
    events: list[Event] = []
    ends = time.monotonic() + PATIENCE
    while not events or not isinstance(events[-1], AttemptFinished | AttemptFailed):
        exchanged = slot.exchange([], 1.0)
        assert exchanged.failure is None
        events += exchanged.events
        assert time.monotonic() < ends
    return events


def test_trials_run_in_the_fork_one_after_another(slot: SlotActor) -> None:
    pids = set()
    for name in ("one", "two"):
        slot.submit([trial_task(name)])
        began, ended = until_ended(slot)
        assert isinstance(began, Started)
        assert isinstance(ended, AttemptFinished)
        assert (began.trial_id, ended.trial_id) == (name, name)
        assert ended.side_effects is None
        pids.add(int(ended.log))
    (pid,) = pids
    assert pid != os.getpid()
    assert slot.exchange([], 0.0).own_bytes > 0


def test_a_trial_is_told_to_stop_while_an_exchange_waits_and_what_has_not_begun_is_taken_back(slot: SlotActor) -> None:
    assert slot.exchange([trial_task("long"), trial_task("other")], 10.0).events
    assert slot.withdraw() == ["other"]
    slot.stop("long")
    events = until_ended(slot)
    assert isinstance(events[-1], AttemptFinished)
    assert all(isinstance(event, EpochDone) for event in events[:-1])


def test_a_fork_that_is_killed_is_a_slot_that_is_lost(slot: SlotActor) -> None:
    slot.submit([trial_task("kills")])
    while (exchanged := slot.exchange([], 1.0)).failure is None:
        assert exchanged.usable
    assert not exchanged.usable
    assert exchanged.failure == "the worker's process died: its process was ended by SIGKILL"
    slot.submit([trial_task("more")])
    assert slot.withdraw() == [], "nobody has it"
    assert slot.exchange([], 0.0).failure is not None


def test_the_fork_ends_with_its_actor(slot: SlotActor) -> None:
    assert slot._remote is not None
    fork = psutil.Process(slot._remote._fork.pid)
    slot._remote._fork.close()
    with pytest.raises(psutil.NoSuchProcess):
        for _ in range(int(PATIENCE / 0.02)):
            assert fork.status()
            time.sleep(0.02)


def test_without_a_server_the_actor_is_the_slot(tmp_path: Path) -> None:
    alone = SlotActor("slot-1", Shape(1, 1, 0.0), run_trial, str(tmp_path / "s"))
    alone.submit([trial_task("here")])
    ended = until_ended(alone)[-1]
    assert isinstance(ended, AttemptFinished)
    assert int(ended.log) == os.getpid()
