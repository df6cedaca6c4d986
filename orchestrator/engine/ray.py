"""Trials in warm slots on a Ray cluster.

A slot is a long-lived actor (one worker) or a long-lived Ray Train run (several). Slots are opened for the shape with
the most expected work, handed one trial after another, and given back when no trial of their shape waits, so that
shapes take turns on a cluster that cannot hold all of them. The engine does its own accounting of CPUs and GPUs and
opens a slot only where it fits: nothing ever waits for resources that another waits to be given back.
"""

import contextlib
import re
import signal
from datetime import UTC, datetime
from typing import Any, Final

import ray

from clusters.errors import ClusterLost, ClusterUnreachable
from clusters.ray_cluster import Capacity, RayCluster
from clusters.spec import ClusterSpec
from orchestrator.engine import Broke, Event, Exchanged, Failure, FailureKind, RunTrial, Shape, Work
from orchestrator.engine.distributed import Gang
from orchestrator.engine.handles import Lease, Line, Slot, broke_at, running
from orchestrator.engine.single import Single
from orchestrator.errors import InfrastructureLost, Interrupted, UserError

BEAT: Final = 0.2
"""Seconds that the loop waits for events at most."""
QUICK: Final = 0.25
"""A trial shorter than this is worth having the next one wait in the slot (the round trip would show)."""
AHEAD: Final = 8
"""Orders that a slot of quick trials holds, the running one included."""
GRACE: Final = 20.0
"""Seconds beyond its time limit in which a trial can end by itself before its slot is closed."""
MOST_FAILED_STARTS: Final = 4
"""Slots that may die one after another before they have said a word; then it is the cluster that does not work."""


class RayEngine:
    """Executes trials on the cluster. Ray is started or joined by `open`."""

    def __init__(self, spec: ClusterSpec, run_trial: RunTrial) -> None:
        self._spec, self._run_trial = spec, run_trial
        self._cluster = RayCluster(spec)
        self._capacity = Capacity(0, 0, 0)
        self._slots: dict[str, Slot] = {}
        self._opened = 0
        self._failed_starts = 0

    def open(self) -> None:
        """Start or join Ray. Raises InfrastructureLost, Interrupted."""
        try:
            self._capacity = self._cluster.open()
        except ClusterUnreachable as error:
            raise InfrastructureLost(str(error)) from error
        except SystemExit:  # Ray's own handler of SIGTERM, which is in place while it starts
            raise Interrupted(signal.SIGTERM) from None

    def run(self, work: Work) -> None:
        self._refuse_what_never_fits(work)
        try:
            while True:
                self._open_slots(work)
                self._hand_out(work)
                if not self._slots and not work.shapes():
                    return
                self._collect(work)
                self._take_back(work)
                self._close_overdue(work)
                self._refuse_to_wait_for_ever()
                self._close_unneeded(work)
                work.beat()  # first: a signal to the whole process group stops the sweep and ends Ray too
                self._cluster.check()
        except ClusterLost as error:
            raise InfrastructureLost(f"{error}; everything finished is kept") from error

    def close(self) -> None:
        for slot in self._slots.values():
            slot.line.close(kindly=False)
        self._slots.clear()
        self._cluster.close()

    # slots

    def _refuse_what_never_fits(self, work: Work) -> None:
        for shape in work.shapes():
            cpus, gpus = self._takes(shape)
            if cpus > self._capacity.cpus or gpus > self._capacity.gpus:
                raise UserError(
                    f"a trial needs {cpus:g} CPUs and {gpus:g} GPUs ({shape.workers} workers), the cluster"
                    f" {self._spec.name!r} offers {self._capacity.cpus:g} and {self._capacity.gpus:g};"
                    " lower `resources` in the grid or use another --cluster"
                )

    def _takes(self, shape: Shape) -> tuple[float, float]:
        """(CPUs, GPUs) of a slot of this shape."""
        share = self._spec.slots.gpu_share if shape.workers == 1 else 1.0
        return shape.workers * shape.cpus, shape.workers * shape.gpus * share

    def _open_slots(self, work: Work) -> None:
        for shape in work.shapes():
            idle = sum(1 for slot in self._slots.values() if slot.shape == shape and slot.idle)
            for _ in range(work.waiting(shape) - idle):
                if not self._fits(shape):
                    break
                self._open(shape)

    def _fits(self, shape: Shape) -> bool:
        taken = [self._takes(slot.shape) for slot in self._slots.values()]
        cpus, gpus = self._takes(shape)
        most = self._spec.slots.most
        return (
            sum(cpu for cpu, _ in taken) + cpus <= self._capacity.cpus + 1e-9
            and sum(gpu for _, gpu in taken) + gpus <= self._capacity.gpus + 1e-9
            and (most == "auto" or len(self._slots) < most)
        )

    def _open(self, shape: Shape) -> None:
        self._opened += 1
        name = f"{'gang' if shape.workers > 1 else 'slot'}-{self._opened}"
        line: Line
        if shape.workers > 1:
            line = Gang(name, shape, self._run_trial, self._spec.distributed)
        else:
            line = Single(name, shape, self._run_trial, gpus=self._takes(shape)[1])
        slot = Slot(name, shape, line)
        slot.reference = line.exchange([])
        self._slots[name] = slot

    def _close(self, slot: Slot, *, kindly: bool) -> None:
        slot.line.close(kindly=kindly)
        del self._slots[slot.name]

    # orders and events

    def _hand_out(self, work: Work) -> None:
        for slot in self._slots.values():
            orders = self._lease(slot, work)
            if orders:
                slot.line.submit(orders)

    def _lease(self, slot: Slot, work: Work) -> list[Any]:
        """New orders for a slot: one at a time, or a few ahead where trials are quick and enough of them wait."""
        if not slot.ready:
            return []
        peers = sum(1 for other in self._slots.values() if other.shape == slot.shape)
        ahead = min(AHEAD, 1 + work.waiting(slot.shape) // peers) if slot.quick else 1
        orders = []
        while len(slot.leases) < ahead and (order := work.take(slot.shape)) is not None:
            slot.lease([order])
            orders.append(order)
        return orders

    def _take_back(self, work: Work) -> None:
        """What waits behind a trial that turns out to be long goes back, so that another slot can have it."""
        for slot in self._slots.values():
            if slot.withdrawal is None and slot.keeps_waiting(QUICK):
                slot.quick = False
                slot.withdrawal = slot.line.withdraw()
            elif slot.withdrawal is not None and ray.wait([slot.withdrawal], timeout=0)[0]:
                with contextlib.suppress(ray.exceptions.RayError):  # a slot that is lost shows in its exchange
                    for trial_id in ray.get(slot.withdrawal):
                        work.give_back(slot.leases.pop(trial_id).order)
                slot.withdrawal = None

    def _collect(self, work: Work) -> None:
        """Fetch events from every slot that has some, and send it on its way again."""
        by_reference = {slot.reference: slot for slot in self._slots.values()}
        ready, _ = ray.wait(list(by_reference), num_returns=len(by_reference), timeout=0) if by_reference else ([], [])
        if not ready and by_reference:
            ready, _ = ray.wait(list(by_reference), num_returns=1, timeout=BEAT)
        for reference in ready:
            self._exchange(by_reference[reference], work)
        for slot in list(self._slots.values()):
            trouble = slot.line.trouble()
            if trouble is not None:
                self._lose(slot, work, Failure(FailureKind.WORKER_LOST, trouble))

    def _exchange(self, slot: Slot, work: Work) -> None:
        try:
            exchanged: Exchanged = ray.get(slot.reference)
        except ray.exceptions.RayError as error:
            self._lose(slot, work, _lost(error))
            return
        slot.ready = True
        self._failed_starts = 0
        poisoned = self._tell(slot, exchanged.events, work)
        grown = slot.idle and exchanged.own_bytes > self._memory_limit()
        if poisoned or grown or not exchanged.usable:
            self._replace(slot, work)
        else:
            slot.reference = slot.line.exchange(self._lease(slot, work))

    def _tell(self, slot: Slot, events: list[Event], work: Work) -> bool:
        """Pass events on. True when one of them says that the slot's process cannot be used any more."""
        unusable = False
        for event in events:
            if slot.note(event, QUICK):
                work.tell(event)
                unusable |= isinstance(event, Broke) and event.failure.kind is FailureKind.POISONED
        return unusable

    def _memory_limit(self) -> float:
        limit = self._spec.slots.memory_limit
        return 0.8 * self._capacity.memory_bytes / max(1, len(self._slots)) if limit == "auto" else limit

    # what goes wrong

    def _replace(self, slot: Slot, work: Work) -> None:
        """Close a slot whose process must not be used again; what it had not begun goes back."""
        for lease in slot.leases.values():
            work.give_back(lease.order)
        self._close(slot, kindly=False)

    def _lose(self, slot: Slot, work: Work, failure: Failure) -> None:
        """A slot has gone: its running trial broke, what it had not begun goes back."""
        if not slot.ready:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                raise InfrastructureLost(f"no slot comes up on {self._spec.name!r}: {failure.message}")
        self._break(slot, running(slot), work, failure)

    def _break(self, slot: Slot, broken: list[Lease], work: Work, failure: Failure) -> None:
        for lease in broken:
            del slot.leases[lease.order.trial_id]
            work.tell(broke_at(lease, failure, datetime.now(UTC)))
        self._replace(slot, work)

    def _close_overdue(self, work: Work) -> None:
        for slot in list(self._slots.values()):
            lease = slot.overdue(GRACE)
            if lease is not None:
                limit = lease.order.spec.protocol.trial_timeout
                message = f"did not stop {GRACE:g} s after its time limit of {limit:g} s; its slot was closed"
                self._break(slot, [lease], work, Failure(FailureKind.TIMED_OUT, message))

    def _refuse_to_wait_for_ever(self) -> None:
        """A slot that does not come up waits for resources that others hold, or for a machine that is not there."""
        for slot in self._slots.values():
            if slot.silent_for() > self._spec.start_timeout:
                cpus, gpus = self._takes(slot.shape)
                raise InfrastructureLost(
                    f"{slot.name} has not come up within {self._spec.start_timeout:g} s (start_timeout): it needs {cpus:g}"
                    f" CPUs and {gpus:g} GPUs of {self._spec.name!r}; are they in use by others?"
                )

    def _close_unneeded(self, work: Work) -> None:
        for slot in list(self._slots.values()):
            if slot.idle and not work.waiting(slot.shape):
                self._close(slot, kindly=slot.ready)


def _lost(error: Exception) -> Failure:
    """Why a slot's process went away."""
    text = " ".join(str(error).split())
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "running low on memory" in text:
        return Failure(FailureKind.OUT_OF_MEMORY, f"Ray ended the worker to save the machine's memory: {text[:500]}")
    # Ray's own text gives a page of advice; its log folder, which has more, is gone with the sweep
    detail = re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", text)
    return Failure(FailureKind.WORKER_LOST, f"the worker's process died: {detail[1] if detail else text[:500]}")
