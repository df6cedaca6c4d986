"""The process of a single-worker slot: one thread executes orders, any other exchanges them for events.

The driver imports this to start slots, and has no torch: what needs it is imported in the slot's own process.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from orchestrator.engine import Broke, Ended, Exchanged, RunTrial, Shape, spoils
from orchestrator.engine.desk import Desk
from orchestrator.engine.memory import own_bytes
from trainables.context import SingleContext
from trainables.order import TrialOrder

if TYPE_CHECKING:
    from trainables.process_state.watching import ProcessState

_DIED: Final = "the thread of its process that runs trials has ended"


class SlotProcess:
    """Long-lived: pays for its imports once and keeps data warm from trial to trial."""

    def __init__(self, name: str, shape: Shape, run_trial: RunTrial) -> None:
        import torch

        from trainables.warm_up import warm_up

        self._name, self._shape, self._run_trial = name, shape, run_trial
        self._device = torch.device("cuda" if shape.gpus > 0 else "cpu")
        self._desk = Desk()
        self._spent = False
        """Whether the process has to be replaced before another trial runs."""
        warm_up()
        self._thread = threading.Thread(target=self._work, name=f"{name}-trials", daemon=True)
        self._thread.start()

    def submit(self, orders: Sequence[TrialOrder]) -> None:
        self._desk.submit(orders)

    def stop(self, trial_id: str) -> None:
        self._desk.stop(trial_id)

    def withdraw(self) -> list[str]:
        """Take back what has not been begun."""
        return self._desk.withdraw()

    def exchange(self, orders: Sequence[TrialOrder], timeout: float) -> Exchanged:
        """Leave orders and fetch all events; waits up to `timeout` seconds while there is none."""
        alive = self._thread.is_alive()  # asked before: then its last words are among the events
        events = self._desk.exchange(orders, timeout)
        trouble = None if alive or self._spent else _DIED
        return Exchanged(events, own_bytes(), usable=not self._spent, trouble=trouble)

    def _work(self) -> None:
        import torch

        from trainables.process_state.watching import ProcessState

        torch.set_num_threads(self._shape.cpus)  # per thread, so set in the one that computes
        state = ProcessState()
        while True:
            order = self._desk.next_order()
            assert order is not None, "waits for ever"
            if spoils(self._attempt(order, state)):
                self._spent = True  # what has been handed over goes back
                return

    def _attempt(self, order: TrialOrder, state: "ProcessState") -> Ended | Broke:
        from orchestrator.engine.attempt import attempt

        limit = order.spec.protocol.trial_timeout
        return attempt(
            order,
            slot=self._name,
            run_trial=self._run_trial,
            context=lambda report: SingleContext(self._device, report, limit),
            emit=self._desk.emit,
            state=state,
        )
