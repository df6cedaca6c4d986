"""Trials in warm slots on a Ray cluster.

A slot is a long-lived actor (one worker) or a long-lived Ray Train run (several). Slots are opened for the shape with
the most expected work, handed one trial after another, and given back when no trial of their shape waits, so that
shapes take turns on a cluster that cannot hold all of them. The engine does its own accounting of CPUs and GPUs and
opens a slot only where it fits: nothing ever waits for resources that another waits to be given back.

There may be thousands of slots: what is done for an event or a trial looks at one slot, and what has to look at all of
them (`_look_at_all`) is done a few times a second.
"""

import contextlib
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import ray

from clusters.errors import ClusterError
from clusters.ray_cluster import RayCluster
from clusters.spec import ClusterSpec
from orchestrator.engine import Event, ExchangeResult, Failure, FailureKind, RunTrial, Shape, Started, Work, spoils
from orchestrator.engine.arrivals import Arrivals
from orchestrator.engine.code import CODE
from orchestrator.engine.pool import Pool
from orchestrator.engine.slots import Assignment, Prefetcher, Slot, failed_at, running
from orchestrator.engine.waiting_notices import FIRST_NOTICE, WaitingNotices, held
from orchestrator.errors import InfrastructureLost
from trainables.context import running_time
from trainables.spec import TrialTask

POLL_SECONDS: Final = 0.2
"""Seconds that the loop waits for events at most, and between two looks at all slots."""
TURN_SECONDS: Final = 0.05
"""Seconds for which one turn of the loop takes events in: a sweep that is to stop does not wait for a thousand slots."""
QUICK: Final = 0.25
"""A trial shorter than this is worth having the next one wait in the slot (the round trip would show)."""
GRACE: Final = 0.05
"""Part of its time limit, beyond it, in which a trial can end by itself before its slot is closed: it may hang."""
MIN_GRACE: Final = 0.2
"""Seconds of that at least."""
ASKING: Final = 5.0
"""Seconds between two words to the autoscaler."""
MAX_ASKED: Final = 1000
"""Workers that are asked for at once."""
NODE_GONE: Final = "its node is gone"
MAX_FAILED_STARTS: Final = 4
"""Slots that may die one after another before they have said a word; then it is the cluster that does not work."""


class RayEngine:
    """Executes trials on the cluster. Ray is started or joined by `open`."""

    def __init__(self, spec: ClusterSpec, run_trial: RunTrial) -> None:
        self._spec = spec
        self._cluster = RayCluster(spec, CODE, running_time.seconds)
        self._arrivals = Arrivals()
        self._pool = Pool(spec, run_trial, self._arrivals)
        self._failed_starts = 0
        self._told = False
        """Whether it was said that slots start."""
        self._stalled: float | None = None
        """Running time since which nothing can run."""
        self._asked = 0.0
        self._looked = 0.0
        self._offered: dict[Shape, int] = {}
        """How many trials of a shape were left when idle slots were last offered them."""
        self._prefetcher = Prefetcher()
        self._waiting = WaitingNotices(spec.name, spec.start_timeout)

    def open(self) -> None:
        """Start or join Ray. Raises InfrastructureLost, and, from Ray's own handler of SIGTERM, SystemExit."""
        try:
            self._cluster.open()
        except ClusterError as error:
            raise InfrastructureLost(str(error)) from error
        self._pool.update(self._cluster.nodes, ())

    def run(self, work: Work) -> None:
        self._refuse_what_never_fits(work)
        running_time.stopped_since()  # before this it would be the start of Ray
        try:
            while True:
                self._tell_of_a_standstill(work)
                self._open_slots(work)
                self._hand_out(work)
                if not len(self._pool) and not work.shapes():
                    return
                self._collect(work)
                self._look_at_all(work)
                self._close_unneeded(work)
                work.tick()  # first: a signal to the whole process group stops the sweep and ends Ray too
                self._cluster.check()
        except ClusterError as error:
            raise InfrastructureLost(f"{error}; everything finished is kept") from error

    def close(self) -> None:
        self._pool.close_all()
        self._cluster.close()

    # slots

    def _refuse_what_never_fits(self, work: Work) -> None:
        if self._spec.autoscaling:
            return
        for shape in work.shapes():
            if (reason := self._pool.never_fits(shape)) is not None:
                work.reject(shape, reason)

    def _open_slots(self, work: Work) -> None:
        self._pool.update(self._cluster.nodes, work.bad_nodes())
        for shape in work.shapes():
            self._pool.open(shape, work.waiting(shape) - self._pool.count_idle(shape))
        self._tell_of_the_start(work)
        self._ask_for_room(work)

    def _tell_of_the_start(self, work: Work) -> None:
        """Say once what the first seconds are spent on: a slot imports torch before it takes a trial."""
        if self._told or not (count := len(self._pool)):
            return
        self._told = True
        work.note(f"starting {count} slot{'s' * (count > 1)}")

    def _ask_for_room(self, work: Work) -> None:
        now = time.monotonic()
        if not self._spec.autoscaling or now - self._asked < ASKING:
            return
        self._asked = now
        wanted = [(slot.shape, 1) for slot in self._pool] + [(shape, work.waiting(shape)) for shape in work.shapes()]
        workers = ((float(shape.cpus), shape.gpus) for shape, count in wanted for _ in range(count * shape.workers))
        self._cluster.want(tuple(islice(workers, MAX_ASKED)))

    # tasks and events

    def _hand_out(self, work: Work) -> None:
        """Offer idle slots the trials that have come to wait since: any other slot takes its own as it exchanges.

        Trials that were left may all avoid those slots' nodes, for a time: they are offered again as time goes by.
        """
        for shape in work.shapes():
            if self._is_time_to_look() or work.waiting(shape) > self._offered.get(shape, 0):
                self._offer(self._pool.idle(shape), work)
        self._offered = {shape: work.waiting(shape) for shape in work.shapes()}

    def _offer(self, idle: Sequence[Slot], work: Work) -> None:
        for slot in idle:
            if trial_tasks := self._next_tasks(slot, work):
                slot.client.submit(trial_tasks)
            if not work.waiting(slot.shape):
                return

    def _next_tasks(self, slot: Slot, work: Work) -> list[TrialTask]:
        return self._prefetcher.next_tasks(slot, work, peers=self._pool.count(slot.shape))

    def _collect(self, work: Work) -> None:
        """Fetch events from slots that have some, and send each on its way again."""
        ends = time.monotonic() + TURN_SECONDS
        for slot, reference in self._arrivals.of(POLL_SECONDS):
            if reference is slot.withdrawal:
                self._take_back(slot, work)
            else:
                self._exchange(slot, work)
            if time.monotonic() > ends:
                return

    def _take_back(self, slot: Slot, work: Work) -> None:
        """What a slot has not begun, and will not, waits for another."""
        with contextlib.suppress(ray.exceptions.RayError):  # a slot that is lost shows in its exchange
            for trial_id in ray.get(slot.withdrawal):
                work.requeue(slot.drop(trial_id).trial_task)
        slot.withdrawal = None

    def _exchange(self, slot: Slot, work: Work) -> None:
        try:
            exchanged: ExchangeResult = ray.get(slot.reference)
        except ray.exceptions.RayError as error:
            self._lose(slot, work, _lost(error))
            return
        slot.ready = True
        spoilt = self._tell(slot, exchanged.events, work)
        if slot.came_up:
            self._failed_starts = 0
        grown = slot.idle and exchanged.own_bytes > self._pool.memory_limit(slot)
        if exchanged.failure is not None:
            self._lose(slot, work, Failure(FailureKind.WORKER_LOST, exchanged.failure))
        elif spoilt or grown or not exchanged.usable:
            self._replace(slot, work)
        else:
            slot.reference = self._arrivals.expect(slot.client.exchange(self._next_tasks(slot, work)), slot)

    def _tell(self, slot: Slot, events: list[Event], work: Work) -> bool:
        """Pass events on. True when one of them says that the slot's process cannot be used any more."""
        unusable = False
        for event in events:
            if slot.note(event, QUICK):
                if work.on_event(event):
                    slot.client.stop(event.trial_id)
                unusable |= spoils(event)
        return unusable

    # what goes wrong

    def _tell_of_a_standstill(self, work: Work) -> None:
        if (seconds := running_time.stopped_since()) > 0:
            work.note(
                f"the sweep stood still for {seconds:.0f} s (it, or its machine, was suspended); it goes on, and that time"
                " counts towards no limit"
            )

    def _replace(self, slot: Slot, work: Work) -> None:
        """Close a slot whose process must not be used again; what it had not begun goes back."""
        for assignment in slot.assignments.values():
            work.requeue(assignment.trial_task)
        self._pool.close(slot, graceful=False)

    def _lose(self, slot: Slot, work: Work, failure: Failure) -> None:
        """A slot has gone: its running trial broke, what it had not begun goes back."""
        if not slot.came_up and failure.kind is not FailureKind.NODE_LOST:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise InfrastructureLost(f"no slot starts on {self._spec.name!r}: {failure.message}")
            work.note(f"{slot.name} did not start, and another takes its place: {failure.message}")
        self._prefetcher.suspect(slot)
        self._break(slot, running(slot), work, failure)

    def _break(self, slot: Slot, broken: list[Assignment], work: Work, failure: Failure) -> None:
        for assignment in broken:
            slot.drop(assignment.trial_task.trial_id)
            work.on_event(failed_at(assignment, failure, datetime.now(UTC)))
        self._replace(slot, work)

    # what time brings to light

    def _is_time_to_look(self) -> bool:
        return time.monotonic() - self._looked >= POLL_SECONDS

    def _look_at_all(self, work: Work) -> None:
        """Look for what no event tells, a few times a second; not while events wait that may have been told since."""
        if self._arrivals.are_left() or not self._is_time_to_look():
            return
        self._close_lost(work)
        self._withdraw_from_long()
        self._close_overdue(work)
        self._tell_who_is_waited_for(work)
        self._refuse_to_wait_for_ever(work)
        self._close_bad(work)
        self._looked = time.monotonic()

    def _close_lost(self, work: Work) -> None:
        for slot in self._pool:
            failure = slot.client.failure()
            if not self._pool.has_nodes_of(slot):  # one that is still coming up would wait there for ever
                self._lose(slot, work, Failure(FailureKind.NODE_LOST, NODE_GONE))
            elif failure is not None:
                self._lose(slot, work, Failure(FailureKind.WORKER_LOST, failure))

    def _withdraw_from_long(self) -> None:
        """What waits behind a trial that turns out to be long goes back, so that another slot can have it."""
        for slot in self._pool:
            if slot.withdrawal is None and slot.keeps_waiting(QUICK):
                slot.quick = False
                slot.withdrawal = self._arrivals.expect(slot.client.withdraw(), slot)

    def _close_overdue(self, work: Work) -> None:
        for slot in self._pool:
            overdue = slot.overdue(GRACE, MIN_GRACE)
            if overdue is None or self._arrivals.has(slot.reference):  # it has something to say, and is heard first
                continue
            assignment, seconds = overdue
            if self._prefetcher.suspect(slot):
                lost = Failure(
                    FailureKind.WORKER_LOST, "its slot was closed: it, or the trial after it, did not stop in time"
                )
                # of trials that train together all have begun, and nobody knows which of them hangs
                self._break(slot, running(slot) if assignment.started is not None else [assignment], work, lost)
                continue
            if assignment.started is None:
                began = datetime.now(UTC) - timedelta(seconds=seconds)
                work.on_event(
                    Started(
                        assignment.trial_task.trial_id, assignment.trial_task.attempt, slot.name, "unknown", 0, began
                    )
                )
            limit = assignment.trial_task.spec.protocol.trial_timeout
            message = f"did not stop at its time limit of {limit:g} s; its slot was closed"
            self._break(slot, [assignment], work, Failure(FailureKind.TIMED_OUT, message))

    def _tell_who_is_waited_for(self, work: Work) -> None:
        if any(slot.silent_for() > FIRST_NOTICE for slot in self._pool):
            words = self._waiting.next(self._pool, self._cluster.usage())
            if words is not None:
                work.note(words)

    def _refuse_to_wait_for_ever(self, work: Work) -> None:
        """A slot that does not come up waits for what others hold, or for a machine that is not there (any more)."""
        limit = self._spec.start_timeout
        for slot in self._pool:
            if slot.silent_for() <= limit:
                continue
            usage = self._cluster.usage()
            text = (
                f"{slot.name} has not started within {limit:g} s (start_timeout): each of its {slot.shape.workers} workers"
                f" needs {slot.shape.cpus:g} CPUs and {slot.shape.gpus:g} GPUs of {self._spec.name!r};"
                f" {'are they in use by others?' if usage is None else held(usage)}"
            )
            if not any(other.came_up for other in self._pool):
                raise InfrastructureLost(text)
            work.note(f"{text} The others go on without it")
            for assignment in slot.assignments.values():
                work.requeue(assignment.trial_task)
            self._pool.exclude_node(slot)
        if len(self._pool):
            self._stalled = None
        elif self._stalled is None:
            self._stalled = running_time.seconds()
        elif running_time.seconds() - self._stalled > limit:
            raise InfrastructureLost(
                f"no node of {self._spec.name!r} has had room for the {sum(map(work.waiting, work.shapes()))} waiting trials"
                f" for {limit:g} s (start_timeout)"
            )

    def _close_bad(self, work: Work) -> None:
        bad = work.bad_nodes()
        for slot in self._pool if bad else ():
            if slot.idle and not bad.isdisjoint(slot.nodes):
                self._pool.close(slot, graceful=slot.ready)

    def _close_unneeded(self, work: Work) -> None:
        for shape in self._pool.idle_shapes():
            if not work.waiting(shape) and not self._is_kept(shape, work):
                for slot in self._pool.idle(shape):
                    self._pool.close(slot, graceful=slot.ready)

    def _is_kept(self, shape: Shape, work: Work) -> bool:
        """Whether a slot that is idle will be wanted again, and nothing else waits for its place."""
        return not work.shapes() and work.has_deferred(shape)


def _lost(error: Exception) -> Failure:
    """Return why a slot's process went away."""
    text = " ".join(str(error).split())
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "running low on memory" in text:
        return Failure(FailureKind.OUT_OF_MEMORY, f"Ray ended the worker to save the machine's memory: {text[:500]}")
    # Ray's own text gives a page of advice; its log folder, which has more, is gone with the sweep
    detail = re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", text)
    if re.search(r"node (has died|was terminated)|NodeDied", text):
        return Failure(FailureKind.NODE_LOST, NODE_GONE)
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return Failure(FailureKind.NODE_LOST, "its process cannot be reached: its node, or the network to it, is gone")
    return Failure(FailureKind.WORKER_LOST, f"the worker's process died: {detail[1] if detail else text[:500]}")
