"""Runs one attempt at one trial, in whatever process it is, and turns every way it can end into an event."""

import contextlib
import io
import os
import signal
import socket
from bdb import BdbQuit
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TextIO, cast

import torch

from orchestrator.engine import (
    AttemptFailed,
    AttemptFinished,
    EpochDone,
    Event,
    Failure,
    FailureKind,
    RunTrial,
    Started,
)
from orchestrator.engine.plain_record import (
    MESSAGE_LIMIT,
    TRACE_LIMIT,
    encodable,
    line_of,
    message_of,
    name_of,
    plain,
    trace_of,
    truncated,
)
from orchestrator.text import clean, masked
from trainables.context import Context
from trainables.errors import CannotDeploy, DataError, TrialCancelled, TrialTimedOut, WeightsError
from trainables.process_state.change import SideEffects
from trainables.process_state.watching import ProcessState
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask
from trainables.training.checkpoints import newest
from trainables.training.learner import load_compiler

# What a trial prints: taken whatever it is and however much, and its end kept.

LOG_LIMIT: Final = 64_000
"""Characters kept of what a trial prints."""
_HELD: Final = 2 * LOG_LIMIT
"""Characters held of it: what is masked is cut afterwards, since half a secret would not be found."""


class CapturedOutput(io.TextIOBase):
    """Standard output and error of a trial. Closing it changes nothing: the next trial has one of its own."""

    encoding = "utf-8"

    def __init__(self, shown: TextIO | None = None) -> None:
        """shown: the terminal of who debugs the trial, and sees what it writes at once."""
        self._parts: deque[str] = deque()
        self._length = 0
        self._shown = shown

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"a text is to be written, not {type(text).__name__}")
        if self._shown is not None:
            self._shown.write(clean(masked(text)))
        self._parts.append(text[-_HELD:])
        self._length += len(self._parts[-1])
        while self._length - len(self._parts[0]) >= _HELD:
            self._length -= len(self._parts.popleft())
        return len(text)

    def flush(self) -> None:
        if self._shown is not None:
            self._shown.flush()

    def close(self) -> None:
        return

    def log(self) -> str:
        """Return what is kept, without secrets."""
        return masked(encodable("".join(self._parts)))[-LOG_LIMIT:]


_NOBODY_THERE: Final = (
    "BdbQuit: it reached a breakpoint() where nobody can answer; `orch debug RESULTS TRIAL` runs it in your terminal"
)

MakeContext = Callable[[Callable[[EpochRow], bool]], Context]
"""Makes the trial's context around a function that takes its epoch rows."""
Emit = Callable[[Event], bool]
"""Tells of an event. Whether the trial is to stop."""


def attempt(
    trial_task: TrialTask,
    slot: str,
    run_trial: RunTrial,
    context: MakeContext,
    emit: Emit,
    state: ProcessState,
    shown: TextIO | None = None,
) -> AttemptFinished | AttemptFailed:
    """Execute the task and emit Started, EpochDone by epoch, and AttemptFinished or AttemptFailed, which it also returns.

    Whatever the trial raises is its outcome, a KeyboardInterrupt of its own too. What the process shares is put back
    before the end is reported. state: of this process. shown: where what it prints is to be seen at once.
    """
    printed, here = CapturedOutput(shown), os.getpid()
    # Ray's processes do not hear it (`clusters.ray_cluster`); those that a trial starts, such as loaders, are ended by it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    state.begin()
    outcome = _outcome(trial_task, slot, run_trial, context, of_process(here, emit), printed, state)
    leave_where_forked(here)
    effects = state.settle()
    if effects is not None:
        printed.write(f"{effects}\n")
    end = end_of(trial_task, outcome, printed.log(), effects)
    emit(end)
    return end


def _outcome(
    trial_task: TrialTask,
    slot: str,
    run_trial: RunTrial,
    context: MakeContext,
    emit: Emit,
    printed: CapturedOutput,
    state: ProcessState,
) -> TrialResult | BaseException:
    try:
        if trial_task.spec.protocol.compile:
            state.load(load_compiler)
        if trial_task.spec.deployment is not None and trial_task.spec.deployment.exports:
            from trainables.stages.onnx_file import load_exporter

            state.load(load_exporter)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            made = context(lambda row: emit(EpochDone(trial_task.trial_id, trial_task.attempt, plain(row))))
            epoch = newest(trial_task, made.device) if made.rank == 0 else 0  # the first rank's is every rank's
            emit(
                Started(trial_task.trial_id, trial_task.attempt, slot, socket.gethostname(), os.getpid(), now(), epoch)
            )
            return plain(run_trial(trial_task.resumed_at(epoch), made))
    except BaseException as raised:  # noqa: BLE001 - whatever a trial raises is its outcome: a row, never silence
        return raised


def end_of(
    trial_task: TrialTask, outcome: TrialResult | BaseException, log: str, effects: SideEffects | None
) -> AttemptFinished | AttemptFailed:
    """The event of an attempt's end."""
    if not issubclass(type(outcome), BaseException):  # what was raised may have another idea of its class
        return AttemptFinished(trial_task.trial_id, trial_task.attempt, cast(TrialResult, outcome), now(), log, effects)
    return AttemptFailed(
        trial_task.trial_id, trial_task.attempt, classify(cast(BaseException, outcome)), now(), log, effects
    )


def of_process(here: int, emit: Emit) -> Emit:
    """The same, which ends a process that is another than `here`."""

    def emit_here(event: Event) -> bool:
        leave_where_forked(here)
        return emit(event)

    return emit_here


def leave_where_forked(here: int) -> None:
    """A copy of this process that the trial made and did not end would go on with the sweep beside it."""
    if os.getpid() != here:
        os._exit(1)


def classify(raised: BaseException) -> Failure:
    """Return what an exception that a trial raised means. Without secrets: they are those of the trial's own process."""
    line = masked(line_of(raised))
    try:
        kind = _kind(raised, line, message_of(raised))
    except Exception:  # noqa: BLE001 - an exception may lie even about its class
        kind = FailureKind.ERROR
    if kind in (FailureKind.TIMED_OUT, FailureKind.CANCELLED) or _says_all(kind, raised):
        return Failure(kind, truncated(line, MESSAGE_LIMIT))
    message = line if kind in (FailureKind.DATA, FailureKind.UNSUPPORTED) else f"{name_of(raised)}: {line}"
    if issubclass(type(raised), BdbQuit):
        message = _NOBODY_THERE
    return Failure(kind, truncated(message, MESSAGE_LIMIT), truncated(masked(trace_of(raised)), TRACE_LIMIT))


def _says_all(kind: FailureKind, raised: BaseException) -> bool:
    """Whether the message is a reason, and where it was raised tells no more: a cause would."""
    return kind is FailureKind.UNSUPPORTED and raised.__cause__ is None


def _kind(raised: BaseException, line: str, message: str) -> FailureKind:
    match raised:
        case TrialTimedOut():
            return FailureKind.TIMED_OUT
        case TrialCancelled():
            return FailureKind.CANCELLED
        case CannotDeploy():
            return FailureKind.UNSUPPORTED
        case DataError() | WeightsError():
            return FailureKind.DATA
        case torch.OutOfMemoryError() | MemoryError():
            return FailureKind.OUT_OF_MEMORY
        case RuntimeError() if _allocation_failed(line):
            return FailureKind.OUT_OF_MEMORY
        case torch.AcceleratorError():
            return FailureKind.POISONED
        case RuntimeError() if "CUDA error" in message:
            return FailureKind.POISONED
        case torch.distributed.DistError():
            return FailureKind.WORKER_LOST
        case RuntimeError() if "gloo" in message.lower():
            return FailureKind.WORKER_LOST  # a peer that went away; gloo raises nothing more exact
        case _:
            return FailureKind.ERROR


def _allocation_failed(message: str) -> bool:
    """torch's CPU allocator raises a plain RuntimeError."""
    return "DefaultCPUAllocator" in message and "memory" in message


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)
