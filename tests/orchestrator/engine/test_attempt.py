"""Every way an attempt can end becomes an event."""

import io
import signal
import sys
from bdb import BdbQuit
from collections.abc import Callable
from datetime import UTC

import pytest
import torch

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Event, FailureKind, RunTrial, Started
from orchestrator.engine.attempt import LOG_LIMIT, attempt, classify
from tests.orchestrator.engine.trial_tasks import result, trial_task
from tests.trainables.epoch_rows import epoch_row
from trainables.context import Context, SingleContext
from trainables.errors import BrokenImage, CannotDeploy, DataMissing, TrialCancelled, TrialTimedOut
from trainables.process_state.watching import ProcessState
from trainables.records import TrialResult
from trainables.spec import TrialTask

ROW = epoch_row()


def attempted(run_trial: RunTrial) -> tuple[FailureKind | None, list[Event]]:
    events: list[Event] = []
    end = attempt(
        trial_task(),
        "slot-1",
        run_trial,
        lambda report: SingleContext(torch.device("cpu"), report),
        lambda event: bool(events.append(event)),
        ProcessState(),
    )
    assert end is events[-1]
    return (end.failure.kind if isinstance(end, AttemptFailed) else None), events


def raising(error: BaseException) -> RunTrial:
    def run_trial(_: TrialTask, context: Context) -> TrialResult:
        context.report(ROW)
        print("before it broke")
        raise error

    return run_trial


def test_a_good_trial_starts_reports_and_ends_with_what_it_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def run_trial(_: TrialTask, context: Context) -> TrialResult:
        print("to standard output")
        print("to standard error", file=sys.stderr)
        context.report(ROW)
        return result()

    failed, events = attempted(run_trial)
    assert failed is None
    assert [type(event) for event in events] == [Started, EpochDone, AttemptFinished]
    end = events[-1]
    assert isinstance(end, AttemptFinished)
    assert end.log.startswith("to standard output\nto standard error\n")
    assert end.at.tzinfo is UTC
    assert capsys.readouterr() == ("", "")


def test_a_failed_trial_keeps_its_traceback_and_what_it_printed() -> None:
    failed, events = attempted(raising(ValueError("shapes differ\nsecond line")))
    assert failed is FailureKind.ERROR
    end = events[-1]
    assert isinstance(end, AttemptFailed)
    assert end.failure.message == "ValueError: shapes differ"
    assert "in run_trial" in (end.failure.traceback or "")
    assert end.log == "before it broke\n"


def test_a_reason_why_something_cannot_be_made_stands_by_itself_and_beside_its_cause() -> None:
    plain = classify(CannotDeploy("it has one channel"))
    assert (plain.kind, plain.message, plain.traceback) == (FailureKind.UNSUPPORTED, "it has one channel", None)
    try:
        raise CannotDeploy("it cannot be exported") from ValueError("a branch that depends on data")
    except CannotDeploy as raised:
        caused = classify(raised)
    assert caused.message == "it cannot be exported"
    assert "ValueError: a branch that depends on data" in (caused.traceback or "")


def test_the_end_of_a_long_log_is_kept() -> None:
    def run_trial(_: TrialTask, context: Context) -> TrialResult:
        print("x" * LOG_LIMIT)
        print("the last line")
        return result()

    end = attempted(run_trial)[1][-1]
    assert isinstance(end, AttemptFinished)
    assert len(end.log) == LOG_LIMIT
    assert end.log.endswith("the last line\n")


def test_leaving_the_interpreter_is_a_failure_too() -> None:
    """`sys.exit` would end the slot's thread in silence, and the sweep would wait for its trial for ever."""
    failed, events = attempted(raising(SystemExit("I leave")))
    assert failed is FailureKind.ERROR
    assert isinstance(events[-1], AttemptFailed)
    assert "I leave" in events[-1].failure.message


def cuda_error() -> RuntimeError:
    return RuntimeError("CUDA error: an illegal memory access was encountered")


def allocator_error() -> BaseException:
    try:
        torch.empty(1 << 60)
    except RuntimeError as error:
        return error
    raise AssertionError("an exabyte was allocated")


def gloo_error() -> RuntimeError:
    return RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: TrialTimedOut("late"), FailureKind.TIMED_OUT),
        (lambda: TrialCancelled("stopping"), FailureKind.CANCELLED),
        (lambda: BrokenImage("a.png", "cut off"), FailureKind.DATA),
        (lambda: DataMissing("gone"), FailureKind.DATA),
        (gloo_error, FailureKind.WORKER_LOST),
        (lambda: torch.distributed.DistBackendError("NCCL watchdog"), FailureKind.WORKER_LOST),
        (lambda: MemoryError(), FailureKind.OUT_OF_MEMORY),
        (lambda: torch.OutOfMemoryError("CUDA out of memory"), FailureKind.OUT_OF_MEMORY),
        (allocator_error, FailureKind.OUT_OF_MEMORY),
        (cuda_error, FailureKind.POISONED),
        (lambda: KeyError("model"), FailureKind.ERROR),
        (lambda: ValueError(""), FailureKind.ERROR),
    ],
)
def test_what_an_exception_means(make: Callable[[], BaseException], kind: FailureKind) -> None:
    failure = classify(make())
    assert failure.kind is kind
    assert failure.message
    assert "\n" not in failure.message


def test_what_a_trial_starts_can_be_terminated() -> None:
    """Ray's processes, and what they start, hear no SIGTERM."""
    masks = []

    def run_trial(_: TrialTask, context: Context) -> TrialResult:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, set()))
        return result()

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        attempted(run_trial)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert signal.SIGTERM not in masks[0]


def test_a_breakpoint_where_nobody_can_answer_says_what_to_do() -> None:
    failed, events = attempted(raising(BdbQuit()))
    assert failed is FailureKind.ERROR
    end = events[-1]
    assert isinstance(end, AttemptFailed)
    assert end.failure.message.startswith("BdbQuit: it reached a breakpoint() where nobody can answer; `orch debug")


def test_what_a_trial_prints_is_shown_at_once_where_somebody_sits_and_kept_all_the_same() -> None:
    shown = io.StringIO()

    def run_trial(_: TrialTask, context: Context) -> TrialResult:
        print("a line, and \x1b[31mred")
        assert shown.getvalue() == "a line, and \\x1b[31mred\n"
        context.report(ROW)
        return result()

    end = attempt(
        trial_task(),
        "inline",
        run_trial,
        lambda report: SingleContext(torch.device("cpu"), report),
        lambda _: False,
        ProcessState(),
        shown,
    )
    assert isinstance(end, AttemptFinished), end
    assert end.log.startswith("a line, and \x1b[31mred\n")
