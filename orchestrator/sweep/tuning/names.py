"""What trials and the tunings of their cells are called while a sweep runs."""

from collections.abc import Collection

from orchestrator.plan.tuned import shown
from orchestrator.sweep.queue import Waiting
from orchestrator.sweep.tuning.tuner import CellTuner


def label_of(waiting: Waiting, varying: Collection[str], tuner: CellTuner | None) -> str:
    """What tells a trial from the others of its sweep. varying: the axes on which their cells differ; tuner: its own, if it
    tunes.
    """
    name = waiting.cell.label_on(varying)
    if waiting.tuning is None or tuner is None:
        return f"{name} seed {waiting.seed}"
    values = shown(tuner.suggest(waiting.tuning))
    return f"{name} {name_of(tuner)} {waiting.tuning + 1}/{tuner.spec.count} {values}"


def name_of(tuner: CellTuner) -> str:
    """`tuning`, `tuning (repetition 0)` of several, or `tuning (fold of seed 0)`."""
    if tuner.cell.tunes_in_folds:
        return f"tuning (fold of seed {tuner.repetition})"
    several = tuner.cell.tuning is not None and tuner.cell.tuning.repetitions > 1
    return f"tuning (repetition {tuner.repetition})" if several else "tuning"
