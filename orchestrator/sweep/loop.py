"""The loop: plan -> engine -> store. The only place where a trial changes state."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Final

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Event, Shape, Started
from orchestrator.plan.cell import Cell
from orchestrator.plan.progress import Progress, Snapshot
from orchestrator.plan.tuned import TunedCell, UnfitValues, shown, with_values
from orchestrator.store.checkpoints import CheckpointStore
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.waiting import Written
from orchestrator.sweep.estimate import SweepEstimate, headline
from orchestrator.sweep.failures import Failures
from orchestrator.sweep.queue import RunningTrial, SplitKey, Waiting
from orchestrator.sweep.record import NO_ROOM, PendingWork, tuned_row
from orchestrator.sweep.tuning.names import label_of, name_of
from orchestrator.sweep.tuning.tuner import DeferredCell
from orchestrator.sweep.variants import parent_of, without_net
from trainables.dataset import DataLocation
from trainables.records import TrialResult
from trainables.spec import TrialTask

COMMIT_PERIOD: Final = 0.1
"""Seconds between two commits: what a crash of the machine can take back at most."""
DISPLAY_PERIOD: Final = 0.25
"""Seconds between two looks at the display."""


class Sweep:
    """Implements the engine's `Work`: hands out trials, records what happens to them, decides on retries."""

    def __init__(
        self,
        journal: Journal,
        pending: PendingWork,
        paths: ResultsPaths,
        location: DataLocation,
        environment_id: str,
        progress: Progress,
        stop: Callable[[], None],
        draining: Callable[[], bool] = bool,
        checkpoints: CheckpointStore | None = None,
        written: Written | None = None,
    ) -> None:
        """stop: raises Interrupted when the sweep has to end. draining: whether no trial is to be begun any more.

        written: is told by whoever writes tables.
        """
        self._written = written or Written()
        self._known_splits: set[SplitKey] = set()
        """Test splits whose examples a trial of this sweep has handed out."""
        self._checkpoints = checkpoints or CheckpointStore(paths, None)
        self._draining = draining
        self._journal, self._paths, self._location = journal, paths, location
        self._packing, self._queue, self._deferred = pending.packing, pending.queue, pending.deferred
        self._variants, self._varying = pending.variants, pending.varying
        self._environment_id, self._progress, self._stop = environment_id, progress, stop
        self._attempts = journal.attempts()
        self._in_doubt = journal.lost_inline()
        self._noted_side_effects: set[str] = set()
        self._failures = Failures()
        self._running_trials: dict[str, RunningTrial] = {}
        self._estimate = SweepEstimate(Counter(journal.counts()))
        self._later = count(len(self._queue))
        """Numbers of trials that join the queue."""
        self._settle()  # what was tuned before
        self._estimate.expected = self._expected
        self._committed = self._displayed = time.monotonic()
        self.first_task: float | None = None
        """Monotonic time at which the first trial was handed out."""
        self.ran = 0
        """Trials that came to an end."""
        self.last_row = self._committed
        """Monotonic time at which the latest end of a trial was written."""

    @property
    def left(self) -> int:
        """Trials that wait, for a slot, for their cell's tuning or for their parent's net."""
        return len(self._queue) + self._deferred.left + self._variants.left

    @property
    def _expected(self) -> float:
        return self._queue.expected + self._deferred.expected + self._variants.expected

    def go_on(self, pending: PendingWork) -> None:
        """Have more trials run, when none is left. pending: of the same results."""
        self._queue, self._deferred, self._variants = pending.queue, pending.deferred, pending.variants
        self._estimate.count(self._journal.counts())
        self._settle()
        self._estimate.expected += self._expected

    # what the engine asks

    def shapes(self) -> Sequence[Shape]:
        return [] if self._draining() else self._queue.shapes()

    def waiting(self, shape: Shape) -> int:
        return 0 if self._draining() else self._queue.count(shape)

    def has_deferred(self, shape: Shape) -> bool:
        cells = chain(self._deferred.cells, self._variants.cells)
        return not self._draining() and any(self._packing.shape(cell) == shape for cell in cells)

    def take(self, shape: Shape, node: str = "") -> TrialTask | None:
        if self._draining():
            return None
        while (waiting := self._queue.take(shape, node)) is not None:
            try:
                return self._assign(waiting, self._as_it_runs(waiting), node)
            except UnfitValues as unfit:
                self._pass_over(waiting, str(unfit))
        return None

    def take_beside(self, trial_task: TrialTask, node: str = "") -> list[TrialTask]:
        if not trial_task.fused or self._draining():
            return []
        places = trial_task.spec.protocol.fuse
        first = self._running_trials[trial_task.trial_id].waiting
        found: list[TrialTask] = []
        while len(found) < places - 1 and (waiting := self._queue.take_beside(first, node)) is not None:
            found.append(self._assign(waiting, waiting.cell, node))
        return found

    def _assign(self, waiting: Waiting, cell: Cell, node: str) -> TrialTask:
        if self.first_task is None:
            self.first_task = time.monotonic()
            self._estimate.begin()
        self._attempts[waiting.trial_id] = attempt = self._attempts.get(waiting.trial_id, 0) + 1
        self._running_trials[waiting.trial_id] = RunningTrial(waiting, self._label(waiting), attempt, node)
        spec, checkpoints = (
            cell.spec(waiting.seed, tunes=None if waiting.tuning is None else waiting.repetition),
            self._checkpoints.of(waiting.trial_id),
        )
        if waiting.tuning is not None:
            return TrialTask(
                waiting.trial_id, attempt, spec, self._location, None, purpose="tuning", checkpoints=checkpoints
            )
        kept = spec.protocol.keep_weights == "best" and cell.measurement is None
        wanted = kept or self._variants.has(waiting.trial_id)
        weights = self._paths.weights(waiting.trial_id) if wanted else None
        image = self._paths.image(waiting.trial_id)
        return TrialTask(
            waiting.trial_id,
            attempt,
            spec,
            self._location,
            weights,
            image,
            checkpoints=None if cell.has_parent else checkpoints,
            split_is_known=waiting.split_key in self._known_splits,
            parent=parent_of(waiting, self._journal, self._paths) if cell.has_parent else None,
            measurement=cell.measurement,
        )

    def requeue(self, trial_task: TrialTask) -> None:
        trial = self._running_trials.pop(trial_task.trial_id)
        self._attempts[trial_task.trial_id] -= 1
        self._queue.add(trial.waiting)

    def reject(self, shape: Shape, reason: str) -> None:
        while (waiting := self._queue.take(shape)) is not None:
            self._set_aside(waiting.trial_id, "pending", "skipped", f"{NO_ROOM}{reason}")
            if waiting.tuning is not None:
                self._tuned(waiting, completed=False)

    def bad_nodes(self) -> frozenset[str]:
        return self._failures.bad_nodes

    def note(self, text: str) -> None:
        self._progress.note(text)

    def in_doubt(self, trial_id: str) -> bool:
        return trial_id in self._in_doubt

    def keep(self) -> None:
        self._journal.flush()

    # what the engine tells

    def on_event(self, event: Event) -> bool:
        trial = self._running_trials[event.trial_id]
        waiting = trial.waiting
        match event:
            case Started():
                trial.begun = True
                self._failures.begun(trial, event.host)
                if waiting.tuning is not None:
                    self._deferred.tuner(waiting).begun(waiting.tuning)
                self._journal.started(event, self._environment_id)
                self._estimate.move("pending", "running")
            case EpochDone():
                trial.epoch, trial.score = event.row.epoch, event.row.measured(waiting.goal.measure)
                self._journal.epoch_done(event)
                if waiting.tuning is not None:
                    return self._deferred.tuner(waiting).epoch(waiting.tuning, event.row)
            case AttemptFinished():
                self._journal.attempt_finished(event)
                if event.result.predictions is not None:
                    self._known_splits.add(waiting.split_key)
                self._note_side_effects(event, trial)
                detail = headline(event.result, waiting.goal)
                self._conclude(event.trial_id, event.result.status, detail, event.result)
            case AttemptFailed():
                self._note_side_effects(event, trial)
                self._break(event, trial)
        return False

    def _note_side_effects(self, event: AttemptFinished | AttemptFailed, trial: RunningTrial) -> None:
        """Note side effects once for all trials that have the same: their rows have them."""
        text = str(event.side_effects or "")
        if text and text not in self._noted_side_effects:
            self._noted_side_effects.add(text)
            others = "the others of its stack may be" if trial.waiting.cell.protocol.fuse > 1 else "no other trial is"
            self._progress.note(f"warning: {trial.label} {text}: {others} affected")

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._committed >= COMMIT_PERIOD:
            self._journal.predictions_written(self._written.take())
            self._journal.commit()
            self._checkpoints.committed()
            self._committed = now
        if now - self._displayed >= DISPLAY_PERIOD:
            self._displayed = now
            self._progress.update(self.snapshot())
        self._stop()

    def snapshot(self) -> Snapshot:
        """Return where the sweep stands."""
        return self._estimate.snapshot(trial.shown() for trial in self._running_trials.values() if trial.begun)

    # tuning

    def _as_it_runs(self, waiting: Waiting) -> Cell:
        """The cell under the values that tuning tries, or has chosen. Raises UnfitValues."""
        if waiting.tuning is not None:
            tuned = with_values(waiting.cell, self._deferred.tuner(waiting).suggest(waiting.tuning))
            self._keep_values(waiting.trial_id, waiting.cell, tuned)
            return tuned.cell
        return waiting.cell if waiting.tuned is None else with_values(waiting.cell, waiting.tuned).cell

    def _keep_values(self, trial_id: str, cell: Cell, tuned: TunedCell) -> None:
        self._journal.tuned(trial_id, tuned.text, tuned_row(cell, tuned.cell, tuned.text))

    def _pass_over(self, waiting: Waiting, reason: str) -> None:
        """What a search proposed makes no trial: that much of the budget is used."""
        assert waiting.tuning is not None, "values that were chosen have been tried"
        self._set_aside(waiting.trial_id, "pending", "skipped", reason)
        self._tuned(waiting, completed=False)

    def _tuned(self, waiting: Waiting, *, completed: bool) -> None:
        """A tuning trial has ended: another one, or the trials of its cell, may begin."""
        assert waiting.tuning is not None
        self._deferred.tuner(waiting).ended(waiting.tuning, completed=completed)
        for held in self._deferred.take_held(waiting):
            self._queue.add(held)
        self._settle(waiting)

    def _settle(self, ended: Waiting | None = None) -> None:
        """Let the evaluation trials of cells whose tuning is done run, with what was chosen.

        ended: the trial whose end may have done it.
        """
        for deferred in self._deferred.take_done(ended):
            self._evaluate(deferred)

    def _evaluate(self, deferred: DeferredCell) -> None:
        values = deferred.tuner.choice()
        if values is None:
            self._leave_untuned(deferred)
            return
        cell, tuned = deferred.cell, with_values(deferred.cell, values)
        for trial in deferred.waiting(tuned.text):
            self._keep_values(trial.trial_id, cell, tuned)
            if trial.status != "pending":  # it ran with what an earlier tuning chose
                self._set_aside(trial.trial_id, trial.status, "pending", None)
            waiting = Waiting(
                *(-deferred.expected, next(self._later), trial.trial_id, trial.seed, cell),
                repetition=deferred.tuner.repetition,
                tuned=values,
            )
            self._queue.add(waiting)
        name = cell.label_on(self._varying)
        self._progress.note(f"{name}: {name_of(deferred.tuner)} chose {shown(values)}")

    def _leave_untuned(self, deferred: DeferredCell) -> None:
        reason = f"none of the {deferred.tuner.spec.count} tuning trials of its cell ended with a score"
        for trial in deferred.waiting(None):
            self._set_aside(trial.trial_id, trial.status, "skipped", reason)

    def _set_aside(self, trial_id: str, old: str, new: str, reason: str | None) -> None:
        self._journal.set_aside(trial_id, new, reason)
        self._checkpoints.concluded(trial_id, new)
        self._estimate.move(old, new)
        if new == "skipped":
            self._skip_variants(trial_id, new)

    # what is made of its net

    def _release(self, parent: Waiting) -> None:
        """A trial has completed: what is to be made of its net may begin."""
        released, were_skipped = self._variants.take(parent.trial_id, parent.tuned)
        for waiting in released:
            if were_skipped:
                self._set_aside(waiting.trial_id, "skipped", "pending", None)
            if waiting.tuned is not None:
                self._keep_values(waiting.trial_id, waiting.cell, with_values(waiting.cell, waiting.tuned))
            self._queue.add(waiting)

    def _skip_variants(self, parent_id: str, status: str) -> None:
        for waiting in self._variants.give_up(parent_id):
            self._set_aside(waiting.trial_id, "pending", "skipped", without_net(parent_id, status))

    def _label(self, waiting: Waiting) -> str:
        tuner = None if waiting.tuning is None else self._deferred.tuner(waiting)
        return label_of(waiting, self._varying, tuner)

    # inside

    def _break(self, event: AttemptFailed, trial: RunningTrial) -> None:
        decision = self._failures.attempt_failed(event, trial)
        if not trial.begun:  # its process died before it could say that it had begun
            self._journal.started(_start_of(event), self._environment_id)
            self._estimate.move("pending", "running")
        self._journal.attempt_failed(event, decision.status, decision.reason)
        if decision.status is not None:
            self._conclude(event.trial_id, decision.status, decision.reason, None)
        else:
            del self._running_trials[event.trial_id]
            self._estimate.move("running", "pending")
            self._queue.add(trial.waiting)
            self._progress.note(f"{trial.label}: {decision.reason}")
        self._drain_bad_nodes()

    def _drain_bad_nodes(self) -> None:
        """Use a node no more where every trial fails, and try elsewhere what failed there."""
        for bad in self._failures.take_bad_nodes():
            for trial, status in bad.given_up:
                waiting = trial.waiting
                reason = f"{bad.host} is to blame: {bad.failed} trials in a row failed there"
                self._set_aside(waiting.trial_id, status, "pending", reason)
                self._estimate.taken_back(-waiting.expected)
                self.ran -= 1
                self._queue.add(waiting)
            self._progress.note(
                f"{bad.host} is no longer used: {bad.failed} trials in a row failed there while others were completed"
                " elsewhere; they are retried"
            )

    def _conclude(self, trial_id: str, status: str, detail: str, result: TrialResult | None) -> None:
        trial = self._running_trials.pop(trial_id)
        waiting = trial.waiting
        self.last_row = time.monotonic()
        self.ran += 1
        self._estimate.move("running", status)
        self._checkpoints.concluded(trial_id, status)
        self._estimate.concluded(-waiting.expected, trial.label, result, waiting.goal)
        if result is not None:
            self._came_to_its_end(trial, result)
        if status == "completed":
            self._release(waiting)
        else:
            self._skip_variants(trial_id, status)
        self._progress.finished(trial.label, status, detail, self._estimate.snapshot())
        if waiting.tuning is not None:
            self._tuned(waiting, completed=status == "completed")

    def _came_to_its_end(self, trial: RunningTrial, result: TrialResult) -> None:
        """What others learn from it."""
        costs, cell = result.costs, trial.waiting.cell
        if cell.measurement is None and self._packing.measured(
            cell, costs.peak_memory_bytes, costs.device_memory_bytes
        ):
            self._queue.reshape()
        self._failures.attempt_finished(trial)
        self._drain_bad_nodes()


def _start_of(event: AttemptFailed) -> Started:
    return Started(event.trial_id, event.attempt, "unknown", "unknown", 0, event.at)
