"""A slot whose thread has ended says so: what it holds would never come to an end."""

import pytest

from orchestrator.engine import AttemptFailed, AttemptFinished, Shape, Started
from orchestrator.engine.slot_process import Mailbox, SlotProcess
from orchestrator.errors import UserError
from tests.orchestrator.engine.trial_tasks import result, trial_task
from trainables.context import Context
from trainables.records import TrialResult
from trainables.spec import TrialTask


def run_trial(given: TrialTask, _: Context) -> TrialResult:
    if given.trial_id == "ours":
        raise UserError("of the orchestrator's own kind")
    return result()


@pytest.fixture
def slot() -> SlotProcess:
    return SlotProcess("slot-1", Shape(1, 1, 0.0), run_trial)


def test_an_error_of_the_orchestrators_own_kind_is_the_outcome_of_the_trial_that_raises_it(slot: SlotProcess) -> None:
    slot.submit([trial_task("ours"), trial_task("next")])
    events = []
    while not events or not isinstance(events[-1], AttemptFinished):
        exchanged = slot.exchange([], 30)
        assert exchanged.failure is None
        assert exchanged.usable
        events += exchanged.events
    assert [type(event) for event in events] == [Started, AttemptFailed, Started, AttemptFinished]
    assert isinstance(events[1], AttemptFailed)
    assert events[1].failure.message == "UserError: of the orchestrator's own kind"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_is_reported_and_its_last_words_are_heard(
    slot: SlotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = Mailbox.emit

    def dies(mailbox: Mailbox, event: object) -> bool:
        emit(mailbox, event)  # type: ignore[arg-type]
        raise MemoryError("as an event is told")

    monkeypatch.setattr(Mailbox, "emit", dies)
    slot.submit([trial_task()])
    slot._thread.join(60)
    assert not slot._thread.is_alive()
    exchanged = slot.exchange([trial_task("another")], 0)
    assert exchanged.events, "what it told before is not lost"
    assert exchanged.failure == "the thread of its process that runs trials has ended"
