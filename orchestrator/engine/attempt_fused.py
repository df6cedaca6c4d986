"""Runs one attempt at each of several trials that train together, and turns every way each can end into an event."""

import contextlib
import io
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Started
from orchestrator.engine.attempt import CapturedOutput, Emit, end_of, leave_where_forked, now, of_process
from orchestrator.engine.plain_record import plain
from trainables.context import Context
from trainables.process_state.watching import ProcessState
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask
from trainables.training.checkpoints import newest
from trainables.training.fused.trial import run_fused

MakeContextOf = Callable[[TrialTask, Callable[[EpochRow], bool]], Context]
"""Makes the context of one of the trials around a function that takes its epoch rows."""


def attempt_fused(
    trial_tasks: Sequence[TrialTask],
    slot: str,
    context: MakeContextOf,
    emit: Emit,
    state: ProcessState,
    shown: TextIO | None = None,
) -> list[AttemptFinished | AttemptFailed]:
    """Execute the tasks, which fit into one stack, and emit of each what `attempt` does; the ends are given back too.

    Whatever a trial raises is its own outcome. What the process shares is put back before the last of the ends is
    reported, which tells what was changed: one of the trials did that. state: of this process. shown: where what they
    print is to be seen at once.
    """
    printed, here = [CapturedOutput(shown) for _ in trial_tasks], os.getpid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # as `attempt` does
    state.begin()
    ends: list[AttemptFinished | AttemptFailed] = []
    last: list[tuple[int, TrialResult | BaseException]] = []
    tell = of_process(here, emit)

    def ended(place: int, outcome: TrialResult | BaseException) -> None:
        """Report an end, but for the last, which has to wait for what the process looks like then."""
        if len(ends) + 1 == len(trial_tasks):
            last.append((place, _plain(outcome)))
            return
        ends.append(end_of(trial_tasks[place], _plain(outcome), printed[place].log(), None))
        tell(ends[-1])

    output = _Outputs(printed)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        _run(trial_tasks, slot, context, tell, output, ended)
    leave_where_forked(here)
    effects = state.settle()
    ((place, outcome),) = last
    if effects is not None:
        for each in printed:
            each.write(f"{effects}\n")
    ends.append(end_of(trial_tasks[place], outcome, printed[place].log(), effects))
    emit(ends[-1])
    return ends


def _run(
    trial_tasks: Sequence[TrialTask],
    slot: str,
    context: MakeContextOf,
    emit: Emit,
    output: "_Outputs",
    ended: Callable[[int, TrialResult | BaseException], None],
) -> None:
    contexts: list[Context] = []
    tasks: list[TrialTask] = []
    places: list[int] = []
    for place, trial_task in enumerate(trial_tasks):
        try:
            with output.of(place):
                made = context(trial_task, _reporting(trial_task, emit))
                epoch = newest(trial_task, made.device)
                where = slot, socket.gethostname(), os.getpid()
                emit(Started(trial_task.trial_id, trial_task.attempt, *where, now(), epoch))
        except BaseException as raised:  # noqa: BLE001 - whatever a trial raises is its outcome
            ended(place, raised)
            continue
        contexts.append(made)
        tasks.append(trial_task.resumed_at(epoch))
        places.append(place)
    if tasks:
        run_fused(tasks, contexts, lambda index: output.of(places[index]), lambda index, how: ended(places[index], how))


def _reporting(trial_task: TrialTask, emit: Emit) -> Callable[[EpochRow], bool]:
    return lambda row: emit(EpochDone(trial_task.trial_id, trial_task.attempt, plain(row)))


def _plain(outcome: TrialResult | BaseException) -> TrialResult | BaseException:
    if isinstance(outcome, BaseException):
        return outcome
    try:
        return plain(outcome)
    except Exception as raised:  # noqa: BLE001 - a plug-in's score may be anything
        return raised


class _Outputs(io.TextIOBase):
    """What one of the trials prints is its own; what is printed by all of them together, each has."""

    encoding = "utf-8"

    def __init__(self, printed: Sequence[CapturedOutput]) -> None:
        self._all, self._now = tuple(printed), tuple(printed)

    @contextlib.contextmanager
    def of(self, place: int) -> Iterator[None]:
        """Inside, what is printed is this trial's."""
        self._now = (self._all[place],)
        try:
            yield
        finally:
            self._now = self._all

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for each in self._now:
            each.write(text)
        return len(text)

    def flush(self) -> None:
        for each in self._now:
            each.flush()

    def close(self) -> None:
        return
