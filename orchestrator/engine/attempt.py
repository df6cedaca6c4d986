"""One attempt at one trial, in whatever process it is: run it, and turn every way it can end into an event."""

import contextlib
import io
import os
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import torch

from orchestrator.engine import Broke, Ended, EpochDone, Event, Failure, FailureKind, RunTrial, Started
from orchestrator.errors import OrchError
from orchestrator.masking import masked
from trainables.checkpoints.keeper import newest
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
    context: Callable[[Callable[[EpochRow], bool]], Context],
    emit: Callable[[Event], bool],
) -> FailureKind | None:
    """Execute the order and emit Started, an EpochDone for each epoch, and Ended or Broke.

    `context` makes the trial's context around a function that takes its epoch rows. `emit` says whether the trial is to
    stop. Returns how it failed, if it did.
    """
    printed = io.StringIO()
    # Ray's processes do not hear it (`clusters.ray_cluster`); those that a trial starts, such as loaders, are ended by it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            made = context(lambda row: emit(EpochDone(order.trial_id, order.attempt, row)))
            epoch = newest(order, made.device) if made.rank == 0 else 0  # the first rank's is every rank's
            emit(Started(order.trial_id, order.attempt, slot, socket.gethostname(), os.getpid(), _now(), epoch))
            result = run_trial(order.resumed_at(epoch), made)
    except OrchError:
        raise  # the sweep itself is stopping: not an outcome of the trial
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever a trial raises is its outcome: a row, never silence
        failure = _without_secrets(classify(raised))
        emit(Broke(order.trial_id, order.attempt, failure, _now(), _log(printed)))
        return failure.kind
    emit(Ended(order.trial_id, order.attempt, result, _now(), _log(printed)))
    return None


def _log(printed: io.StringIO) -> str:
    return masked(printed.getvalue())[-LOG_LIMIT:]  # cut afterwards: half a secret would not be found


def _without_secrets(failure: Failure) -> Failure:
    """Here, because the secrets are those of the trial's own process."""
    trace = None if failure.traceback is None else masked(failure.traceback)
    return replace(failure, message=masked(failure.message), traceback=trace)


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
