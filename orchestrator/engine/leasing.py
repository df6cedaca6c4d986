"""Which orders a slot is handed, and how many ahead."""

from typing import Final

from orchestrator.engine import Work
from orchestrator.engine.handles import Slot
from trainables.order import TrialOrder

AHEAD: Final = 8
"""Orders that a slot of quick trials holds, the running one included."""


class Leasing:
    """Hands out trials: one at a time, or a few ahead where they are quick and enough of them wait."""

    def __init__(self) -> None:
        self._careful: set[str] = set()
        """Trials of which one ended its slot, nobody knows which: each of them has a slot to itself from then on."""

    def orders(self, slot: Slot, work: Work, peers: int) -> list[TrialOrder]:
        """New orders for a slot, which holds them from now on. peers: slots of its shape, itself included."""
        if not slot.ready or not work.bad_nodes().isdisjoint(slot.nodes) or not self._careful.isdisjoint(slot.leases):
            return []
        ahead = min(AHEAD, 1 + work.waiting(slot.shape) // peers) if slot.quick else 1
        orders: list[TrialOrder] = []
        while len(slot.leases) < ahead and (order := work.take(slot.shape, slot.node)) is not None:
            careful = order.trial_id in self._careful
            if careful and slot.leases:
                work.give_back(order)
                break
            slot.lease([order])
            orders.append(order)
            if careful:
                break
        return orders

    def suspect(self, slot: Slot) -> bool:
        """Whether it is uncertain which of a slot's trials ended it.

        The last words of one may not have come through before the next one took the process with it, or kept it from
        speaking.
        """
        uncertain = len(slot.leases) > 1
        if uncertain:
            self._careful.update(slot.leases)
        return uncertain
