"""Trials one after another in this process: for small grids, and for a debugger."""

import signal
import sys
from bdb import BdbQuit
from collections.abc import Callable, Sequence
from typing import Final, TextIO, TypeVar

import torch

from orchestrator.engine import AttemptFailed, AttemptFinished, Engine, Event, RunTrial, Shape, Started, Work
from orchestrator.engine.attempt import attempt
from orchestrator.engine.isolated import attempt_isolated
from orchestrator.errors import InfrastructureLost, Interrupted, UserError
from trainables.context import Context, SingleContext
from trainables.process_state.change import After
from trainables.process_state.watching import ProcessState
from trainables.records import TrialResult
from trainables.spec import TrialTask
from trainables.training.warm_up import warm_up

T = TypeVar("T")


class InlineEngine(Engine):
    """Executes every trial where it is called from. Trials of more than one worker are refused."""

    def __init__(self, run_trial: RunTrial) -> None:
        self._run_trial = run_trial

    def run(self, work: Work) -> None:
        """Raises InfrastructureLost too where a trial has changed this process so that no other may run in it."""
        warm_up()
        threads = torch.get_num_threads()
        try:
            while shapes := work.shapes():
                self._run_shape(work, shapes[0])
        finally:
            torch.set_num_threads(threads)

    def _run_shape(self, work: Work, shape: Shape) -> None:
        if shape.workers > 1:
            raise UserError(f"resources.workers: {shape.workers} needs several processes; use --engine ray")
        torch.set_num_threads(shape.cpus)
        device = torch.device("cuda" if shape.gpus > 0 else "cpu")
        state = ProcessState()
        while (trial_task := work.take(shape)) is not None:
            if work.in_doubt(trial_task.trial_id):
                work.note(
                    f"trial {trial_task.trial_id} runs in a process of its own: an earlier sweep's process died while"
                    " running it"
                )
                attempt_isolated(trial_task, shape, self._run_trial, work.on_event, work.tick)
            elif trial_task.fused:
                self._attempt_fused(work, [trial_task, *_beside(trial_task, work)], device, state)
            else:
                self._attempt(work, trial_task, device, state)
            work.tick()

    def _attempt(self, work: Work, trial_task: TrialTask, device: torch.device, state: ProcessState) -> None:
        proxy = _WorkProxy(work)
        end = attempt(
            trial_task,
            slot="inline",
            run_trial=proxy.unless_left(self._run_trial),
            context=lambda report: SingleContext(
                device, report, trial_task.spec.protocol.trial_timeout, proxy.cancelled
            ),
            emit=proxy.on_event,
            state=state,
            shown=_terminal(),
        )
        _refuse_unfit(end)

    def _attempt_fused(
        self, work: Work, trial_tasks: Sequence[TrialTask], device: torch.device, state: ProcessState
    ) -> None:
        from orchestrator.engine.attempt_fused import attempt_fused  # stacks are made by the sweeps that ask for them

        proxy = _WorkProxy(work)
        ends = attempt_fused(
            trial_tasks,
            slot="inline",
            context=lambda trial_task, report: SingleContext(
                device, report, trial_task.spec.protocol.trial_timeout, proxy.cancelled
            ),
            emit=proxy.on_event,
            state=state,
            shown=_terminal(),
        )
        for end in ends:
            _refuse_unfit(end)


def _beside(trial_task: TrialTask, work: Work) -> list[TrialTask]:
    """What trains in one stack with it, but for what an earlier process may have died of."""
    beside = work.take_beside(trial_task)
    for doubtful in (each for each in beside if work.in_doubt(each.trial_id)):
        work.requeue(doubtful)
    return [each for each in beside if not work.in_doubt(each.trial_id)]


def _refuse_unfit(end: AttemptFinished | AttemptFailed) -> None:
    if end.side_effects is not None and end.side_effects.after is After.UNFIT:
        raise InfrastructureLost(
            f"trial {end.trial_id} {end.side_effects}, which cannot be undone: the others need a new process"
        )


_CHAIN: Final = 20
"""Errors that were raised one from another, and more than anybody raises."""


def _terminal() -> TextIO | None:
    """The output of who sits here, and may talk to a debugger; None where nobody does."""
    ours = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    return sys.stdout if ours else None


def _left_debugger(raised: BaseException) -> bool:
    """Whether a debugger was left with `q`, whatever the trial has made of that."""
    cause: BaseException | None = raised
    for _ in range(_CHAIN):
        if cause is None or issubclass(type(cause), BdbQuit):  # a class of its own may lie to `isinstance`
            break
        cause = cause.__cause__ or cause.__context__
    return cause is not None and issubclass(type(cause), BdbQuit)


class _WorkProxy:
    """Passes a trial's events on to the sweep, through the trial's own code.

    What the sweep raises there (it stops, the disk is full) is no outcome of the trial, whatever that makes of it: it is
    raised again with the next word.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._raised: BaseException | None = None

    def on_event(self, event: Event) -> bool:
        if isinstance(
            event, AttemptFailed
        ):  # a signal may have ended it, where the trial had put its own handler in place
            self._passed(self._work.tick)
        stops = self._passed(lambda: self._work.on_event(event))
        if isinstance(event, Started):
            # the trial may end this process, and the next sweep has to know whose end it was
            self._passed(self._work.keep)
        return stops

    def unless_left(self, run_trial: RunTrial) -> RunTrial:
        """The same, where leaving a debugger ends the sweep as Ctrl-C does."""

        def run(trial_task: TrialTask, context: Context) -> TrialResult:
            try:
                return run_trial(trial_task, context)
            except BaseException as raised:
                if self._raised is None and _left_debugger(raised):
                    self._raised = Interrupted(signal.SIGINT)
                raise

        return run

    def cancelled(self) -> bool:
        self._passed(self._work.tick)
        return False

    def _passed(self, call: Callable[[], T]) -> T:
        if self._raised is not None:
            raise self._raised
        try:
            return call()
        except BaseException as raised:
            self._raised = raised
            raise
