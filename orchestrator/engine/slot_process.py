"""The process of a single-worker slot: one thread executes tasks, any other exchanges them for events. Free of Ray.

What needs torch is imported in the slot's own process.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import psutil

from orchestrator.engine import (
    AttemptFailed,
    AttemptFinished,
    EpochDone,
    Event,
    ExchangeResult,
    RunTrial,
    Shape,
    spoils,
)
from trainables.context import SingleContext
from trainables.records import EpochRow
from trainables.spec import TrialTask

if TYPE_CHECKING:
    from trainables.process_state.watching import ProcessState

# Where a slot and the sweep meet: tasks go in, events come out. Thread-safe, free of Ray.


class Mailbox:
    """Holds tasks until they are executed and events until they are fetched."""

    def __init__(self) -> None:
        self._trial_tasks: queue.SimpleQueue[TrialTask] = queue.SimpleQueue()
        self._events: deque[Event] = deque()
        self._news = threading.Condition()
        self._stopped: set[str] = set()
        """Trials that have been told to stop and have not ended."""

    def submit(self, trial_tasks: Sequence[TrialTask]) -> None:
        for trial_task in trial_tasks:
            self._trial_tasks.put(trial_task)

    def withdraw(self) -> list[str]:
        """Take back the tasks that nobody has taken yet, and say whose they were."""
        withdrawn = []
        with contextlib.suppress(queue.Empty):
            while True:
                first = self._trial_tasks.get_nowait()
                withdrawn += [trial_task.trial_id for trial_task in (first, *first.beside)]
        return withdrawn

    def next_task(self, timeout: float | None = None) -> TrialTask | None:
        """The oldest task; None when there is none within `timeout` seconds (None waits for ever)."""
        try:
            return self._trial_tasks.get(timeout=timeout)
        except queue.Empty:
            return None

    def stop(self, trial_id: str) -> None:
        """The trial is to stop at the end of its epoch. One that has ended already is not here any more."""
        with self._news:
            self._stopped.add(trial_id)

    def emit(self, event: Event) -> bool:
        """Whether the event's trial is to stop."""
        with self._news:
            self._events.append(event)
            self._news.notify()
            stops = event.trial_id in self._stopped
            if not isinstance(event, EpochDone):  # begins or ends: what was said of an earlier attempt is over
                self._stopped.discard(event.trial_id)
            return stops and isinstance(event, EpochDone)

    def swap(self, trial_tasks: Sequence[TrialTask], timeout: float) -> list[Event]:
        """Leave tasks and fetch all events; waits up to `timeout` seconds while there is none."""
        self.submit(trial_tasks)
        with self._news:
            self._news.wait_for(lambda: bool(self._events), timeout)
            events = list(self._events)
            self._events.clear()
        return events


# How much memory a slot's process holds. Imports nothing heavy.


def own_bytes() -> int:
    """Resident bytes of this process that it shares with no other: decoded data, mapped by all, is not its own."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


_DIED: Final = "the thread of its process that runs trials has ended"


class SlotProcess(Mailbox):
    """Long-lived: pays for its imports once and keeps data warm from trial to trial."""

    def __init__(self, name: str, shape: Shape, run_trial: RunTrial) -> None:
        import torch

        from trainables.training.warm_up import warm_up

        super().__init__()
        self._name, self._shape, self._run_trial = name, shape, run_trial
        self._device = torch.device("cuda" if shape.gpus > 0 else "cpu")
        self._spent = False
        """Whether the process has to be replaced before another trial runs."""
        warm_up()
        self._thread = threading.Thread(target=self._work, name=f"{name}-trials", daemon=True)
        self._thread.start()

    def exchange(self, trial_tasks: Sequence[TrialTask], timeout: float) -> ExchangeResult:
        """Leave tasks and fetch all events; waits up to `timeout` seconds while there is none."""
        alive = self._thread.is_alive()  # asked before: then its last words are among the events
        events = self.swap(trial_tasks, timeout)
        failure = None if alive or self._spent else _DIED
        return ExchangeResult(events, own_bytes(), usable=not self._spent, failure=failure)

    def _work(self) -> None:
        import torch

        from trainables.process_state.watching import ProcessState

        torch.set_num_threads(self._shape.cpus)  # per thread, so set in the one that computes
        state = ProcessState()
        while True:
            trial_task = self.next_task()
            assert trial_task is not None, "waits for ever"
            if any(map(spoils, self._attempts(trial_task, state))):
                self._spent = True  # what has been handed over goes back
                return

    def _attempts(self, trial_task: TrialTask, state: "ProcessState") -> list[AttemptFinished | AttemptFailed]:
        """How the trial ended, and those beside it."""
        if trial_task.fused:
            from orchestrator.engine.attempt_fused import attempt_fused

            trial_tasks = [trial_task, *trial_task.beside]
            return attempt_fused(trial_tasks, self._name, self._context, self.emit, state)
        from orchestrator.engine.attempt import attempt

        end = attempt(
            trial_task,
            slot=self._name,
            run_trial=self._run_trial,
            context=lambda report: self._context(trial_task, report),
            emit=self.emit,
            state=state,
        )
        return [end]

    def _context(self, trial_task: TrialTask, report: Callable[[EpochRow], bool]) -> SingleContext:
        return SingleContext(self._device, report, trial_task.spec.protocol.trial_timeout)
