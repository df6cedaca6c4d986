"""A trial in a process of its own, for the inline engine: one that may take its process with it.

The process tells its events through a pipe. When it ends without the trial's end, that is the end: as in a slot.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from typing import Final

from clusters.signals import WARNINGS, children_deaf_to
from orchestrator.engine import AttemptFailed, AttemptFinished, Event, Failure, FailureKind, RunTrial, Shape
from trainables.spec import TrialTask

# How a process ended.


def death_message(code: int | None) -> str:
    """code: as `subprocess` has it, negative for a signal; None where it has not ended."""
    if code is None:
        return "its process does not answer"
    if code >= 0:
        return f"its process ended with code {code}"
    return f"its process was ended by {signal.Signals(-code).name}"


_POLL_SECONDS: Final = 0.2
"""Seconds between two looks at whether the sweep has to stop."""


def attempt_isolated(
    trial_task: TrialTask,
    shape: Shape,
    run_trial: RunTrial,
    on_event: Callable[[Event], bool],
    tick: Callable[[], object],
) -> None:
    """Run `attempt` in another process. Raises whatever `on_event` and `tick` raise; the process is gone then."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=(trial_task, shape, run_trial, theirs), name=f"trial {trial_task.trial_id}"
    )
    with children_deaf_to(WARNINGS):
        process.start()
    theirs.close()
    try:
        if not _heard(ours, on_event, tick):
            process.join()
            failure = Failure(FailureKind.WORKER_LOST, death_message(process.exitcode))
            on_event(AttemptFailed(trial_task.trial_id, trial_task.attempt, failure, datetime.now(UTC), ""))
    finally:
        process.kill()
        process.join()
        ours.close()


def _heard(ours: Connection, on_event: Callable[[Event], bool], tick: Callable[[], object]) -> bool:
    """Pass events on until the trial's end. False where the process ended before it."""
    while True:
        tick()
        if not wait([ours], _POLL_SECONDS):
            continue
        try:
            event: Event = ours.recv()
        except (EOFError, OSError):
            return False
        on_event(event)
        if isinstance(event, AttemptFinished | AttemptFailed):
            return True


def _run(trial_task: TrialTask, shape: Shape, run_trial: RunTrial, theirs: Connection) -> None:
    """Run the attempt; called in the process of its own."""
    import torch

    from orchestrator.engine.attempt import attempt
    from trainables.context import SingleContext
    from trainables.process_state.watching import ProcessState
    from trainables.training.warm_up import warm_up

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the sweep's, which then ends this process
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    warm_up()
    torch.set_num_threads(shape.cpus)
    device = torch.device("cuda" if shape.gpus > 0 else "cpu")

    def emit(event: Event) -> bool:
        theirs.send(event)
        return False

    attempt(
        trial_task,
        slot="inline, apart",
        run_trial=run_trial,
        context=lambda report: SingleContext(device, report, trial_task.spec.protocol.trial_timeout),
        emit=emit,
        state=ProcessState(),
    )
    os._exit(0)  # whatever the trial has left running


def _end_with_the_sweep() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "it is started by a sweep"
    wait([parent.sentinel])
    os._exit(1)
