"""One attempt at one trial, in whatever process it is: run it, and turn every way it can end into an event."""

import contextlib
import io
import os
import socket
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import torch

from orchestrator.engine import Broke, Ended, EpochDone, Event, Failure, FailureKind, RunTrial, Started
from orchestrator.errors import OrchError
from trainables.context import Context
from trainables.errors import DataError, TrialCancelled, TrialTimedOut, WeightsError
from trainables.order import TrialOrder
from trainables.records import EpochRow

LOG_LIMIT: Final = 64_000
"""Characters kept of what a trial prints."""


def attempt(
    order: TrialOrder,
    slot: str,
    run_trial: RunTrial,
    context: Callable[[Callable[[EpochRow], None]], Context],
    emit: Callable[[Event], None],
) -> FailureKind | None:
    """Execute the order and emit Started, an EpochDone for each epoch, and Ended or Broke.

    `context` makes the trial's context around a function that takes its epoch rows. Returns how it failed, if it did.
    """
    emit(Started(order.trial_id, order.attempt, slot, socket.gethostname(), os.getpid(), _now()))
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result = run_trial(order, context(lambda row: emit(EpochDone(order.trial_id, order.attempt, row))))
    except OrchError:
        raise  # the sweep itself is stopping: not an outcome of the trial
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever a trial raises is its outcome: a row, never silence
        failure = classify(raised)
        emit(Broke(order.trial_id, order.attempt, failure, _now(), printed.getvalue()[-LOG_LIMIT:]))
        return failure.kind
    emit(Ended(order.trial_id, order.attempt, result, _now(), printed.getvalue()[-LOG_LIMIT:]))
    return None


def classify(raised: BaseException) -> Failure:
    """What an exception that a trial raised means."""
    first_line = (str(raised).strip() or type(raised).__name__).splitlines()[0]
    text = f"{type(raised).__name__}: {first_line}"
    trace = "".join(traceback.format_exception(raised))
    match raised:
        case TrialTimedOut():
            return Failure(FailureKind.TIMED_OUT, first_line)
        case TrialCancelled():
            return Failure(FailureKind.CANCELLED, first_line)
        case DataError() | WeightsError():
            return Failure(FailureKind.DATA, first_line, trace)
        case torch.OutOfMemoryError() | MemoryError():
            return Failure(FailureKind.OUT_OF_MEMORY, text, trace)
        case RuntimeError() if _allocation_failed(first_line):
            return Failure(FailureKind.OUT_OF_MEMORY, text, trace)
        case torch.AcceleratorError():
            return Failure(FailureKind.POISONED, text, trace)
        case RuntimeError() if "CUDA error" in str(raised):
            return Failure(FailureKind.POISONED, text, trace)
        case torch.distributed.DistError():
            return Failure(FailureKind.WORKER_LOST, text, trace)
        case RuntimeError() if "gloo" in str(raised).lower():
            return Failure(
                FailureKind.WORKER_LOST, text, trace
            )  # a peer that went away; gloo raises nothing more exact
        case _:
            return Failure(FailureKind.ERROR, text, trace)


def _allocation_failed(message: str) -> bool:
    """torch's CPU allocator raises a plain RuntimeError."""
    return "DefaultCPUAllocator" in message and "memory" in message


def _now() -> datetime:
    return datetime.now(UTC)
