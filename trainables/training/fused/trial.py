"""Several trials from their tasks to their results, trained together."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

from trainables.context import Context
from trainables.errors import CannotFuse, CheckpointError
from trainables.process_state.precision import numerics
from trainables.records import TrialResult
from trainables.spec import TrialTask
from trainables.training.costs import Stopwatch
from trainables.training.evaluate import Outputs
from trainables.training.fit import EpochResult, Training
from trainables.training.fused.epoch import FusedTrainer, Scope
from trainables.training.fused.member import FusedMember
from trainables.training.trial import TrialRun

Ended = Callable[[int, TrialResult | BaseException], None]
"""Told of each trial, by its number, when it has come to its end."""


def run_fused(trial_tasks: Sequence[TrialTask], contexts: Sequence[Context], scope: Scope, ended: Ended) -> None:
    """Train the nets of these trials at once, in a stack as wide as their `protocol.fuse`, and measure each by itself.

    What a trial comes to, bit for bit, does not depend on which others are there, nor on how these end. trial_tasks: of one
    fusion key (`trainables.fusion.support`), at most as many as the stack is wide. scope: inside, what is done and printed
    is one trial's own. What a trial raises is its own end. Where the nets do not fit together, or what they do together
    raises, those that are left run again, each in a stack of its own: then it is known whose fault it is.
    """
    with numerics(trial_tasks[0].spec.protocol):
        run = _FusedRun(dict(enumerate(trial_tasks)), contexts, scope, ended)
        try:
            run.train()
        except Exception as raised:
            if run.told_in_vain:
                raise
            if len(trial_tasks) == 1:
                run.end_all(raised)
                return
            again = run.left
        except BaseException as raised:  # noqa: BLE001 - it is the process that is to end
            run.end_all(raised)
            return
        else:
            return
        for place, trial_task in again.items():
            alone = _FusedRun({place: trial_task}, contexts, scope, ended)
            try:
                alone.train()
            except BaseException as raised:
                if alone.told_in_vain:
                    raise
                alone.end_all(raised)


def run_alone(trial_task: TrialTask, context: Context) -> TrialResult:
    """One trial in a stack that nobody else is in: what it would come to beside others. Raises as `run_trial` does."""
    outcomes: list[TrialResult | BaseException] = []
    run_fused([trial_task], [context], lambda _: nullcontext(), lambda _, outcome: outcomes.append(outcome))
    (outcome,) = outcomes
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


class _FusedRun:
    """The trials that have not ended, by their places."""

    def __init__(
        self, trial_tasks: Mapping[int, TrialTask], contexts: Sequence[Context], scope: Scope, ended: Ended
    ) -> None:
        self._left = dict(trial_tasks)
        self._contexts, self._scope, self._ended = contexts, scope, ended
        self._width = next(iter(trial_tasks.values())).spec.protocol.fuse
        self.told_in_vain = False
        """Whether who is told of ends has raised: that is no trial's doing."""
        self._runs: dict[int, TrialRun] = {}
        self._trainings: dict[int, Training] = {}
        self._results: dict[int, TrialResult] = {}

    @property
    def left(self) -> dict[int, TrialTask]:
        """Those that have not ended, as they were handed over."""
        return dict(self._left)

    def train(self) -> None:
        """Train and measure all of them."""
        if len(self._left) > self._width:
            raise CannotFuse(f"{len(self._left)} trials do not fit into a stack of {self._width}")
        trainer = self._begun()
        while self._left:
            assert trainer is not None, "somebody is left"
            self._epoch(trainer)

    def end_all(self, raised: BaseException) -> None:
        """Those that are left end with what was raised."""
        for place in list(self._left):
            self._end(place, raised)

    def _begun(self) -> FusedTrainer | None:
        """The stack, each trial ready for its first epoch or for that after its checkpoint; None where all have ended."""
        while self._left:
            for place in list(self._left):
                self._own(place, self._build)
            if not self._left:
                break
            parts = [self._runs[place].parts if place in self._left else None for place in range(self._width)]
            trainer = FusedTrainer(parts, self._scope)
            refused = [place for place in list(self._left) if not self._own(place, self._restore)]
            if not set(refused) & set(self._left):
                return trainer
        return None

    def _build(self, place: int) -> None:
        self._runs[place] = TrialRun(self._left[place], self._contexts[place], FusedMember)

    def _restore(self, place: int) -> bool:
        """Whether the trial goes on. Where its checkpoint does not fit it has to be built anew, and begins at the start."""
        parts = self._runs[place].parts
        assert isinstance(parts.learner, FusedMember)
        try:
            self._trainings[place] = Training(parts, parts.learner.layers)
        except CheckpointError as unfit:
            print(f"starts from the beginning: its checkpoint {unfit}")
            self._left[place] = self._left[place].resumed_at(0)
            return False
        return True

    def _epoch(self, trainer: FusedTrainer) -> None:
        going = {place: self._trainings[place] for place in self._left if self._trainings[place].goes_on}
        if going:
            self._learn(trainer, going)
        for place in list(self._left):
            if not self._trainings[place].goes_on:
                self._conclude(place)

    def _learn(self, trainer: FusedTrainer, going: Mapping[int, Training]) -> None:
        device = self._contexts[0].device
        stopwatch = Stopwatch(device)
        found = trainer.learn(going)
        seconds = stopwatch.lap() / len(going)  # a trial's share
        learned = {place: result for place, result in found.items() if isinstance(result, EpochResult)}
        for place, result in found.items():
            if isinstance(result, BaseException):
                self._end(place, result)
        if not learned:
            return
        outputs = trainer.validate(list(learned))
        eval_seconds = stopwatch.lap() / len(learned)
        for place, result in learned.items():
            self._own(place, partial(self._report, result, outputs[place], seconds, eval_seconds))

    def _report(self, learned: EpochResult, val: Outputs, seconds: float, eval_seconds: float, place: int) -> None:
        own = Stopwatch(self._contexts[place].device)
        self._trainings[place].epoch_done(learned, val, seconds, lambda: eval_seconds + own.lap())

    def _conclude(self, place: int) -> None:
        if self._own(place, self._measure):
            self._end(place, self._results[place])

    def _measure(self, place: int) -> None:
        self._results[place] = self._runs[place].result(self._trainings[place].result())

    def _own(self, place: int, act: Callable[[int], object]) -> bool:
        """What a trial does by itself, and whether it did not answer False; whatever it raises is its end."""
        try:
            with self._scope(place):
                return act(place) is not False
        except BaseException as raised:  # noqa: BLE001 - a row, never silence
            self._end(place, raised)
            return False

    def _end(self, place: int, outcome: TrialResult | BaseException) -> None:
        del self._left[place]
        self._runs.pop(place, None)
        try:
            self._ended(place, outcome)
        except BaseException:
            self.told_in_vain = True
            raise
