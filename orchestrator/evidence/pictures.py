"""What each test picture brings to a measure of a trial, from the predictions that are kept."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import DamagedResults
from orchestrator.evidence.stats.pseudo_values import BY_NAME, pseudo_values
from orchestrator.grid.measures import Measure
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import Answered, PartTrial
from orchestrator.store.predictions.reading import examples_of, predicted_trials, predictions_of, refuse_other_length

_KEPT: Final = 1 << 26
"""Numbers that are held between two looks at the same trials, of one measure: 256 MiB."""


class KeptPictures:
    """The predictions of one results directory, read where a claim needs them. Implements `strata.Contributions`."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self._name = ""
        self._kept: dict[str, NDArray[np.float32]] = {}
        self.damage: list[str] = []
        """One line where they are damaged; they are then taken as not there."""

    def __call__(self, on: Measure, trial_ids: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32]]] | None:
        """Each trial with what each picture brings, (pictures,), whose mean is the measure.

        None where that is not known of all of them, or where they were tested on different pictures.
        """
        name = on.column.removeprefix("test_")
        splits = {self._trials[trial].split_id if trial in self._trials else None for trial in trial_ids}
        if len(splits) != 1 or None in splits or name not in {*BY_NAME, *_SINGLE}:
            return None
        return self._brought(name, trial_ids, str(splits.pop()))

    @cached_property
    def _trials(self) -> dict[str, PartTrial]:
        try:
            return predicted_trials(self._paths)
        except DamagedResults as damaged:
            self.damage.append(str(damaged))
            return {}

    def _brought(self, name: str, trial_ids: Sequence[str], split_id: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
        if name != self._name:
            self._name, self._kept = name, {}
        known = {trial: self._kept[trial] for trial in trial_ids if trial in self._kept}
        yield from known.items()
        if len(known) == len(trial_ids):
            return
        targets = examples_of(self._paths, [split_id])["target"].to_numpy()
        for trial, answered in predictions_of(self._paths, set(trial_ids) - known.keys()):
            refuse_other_length(trial, len(targets))
            found = _of_one(name, targets, answered).astype(np.float32)
            if len(self._kept) * found.size < _KEPT:
                self._kept[trial.trial_id] = found
            yield trial.trial_id, found


def _of_one(name: str, targets: NDArray[np.float32], answered: Answered) -> NDArray[np.float64]:
    if name == "accuracy":
        return np.asarray(answered.predicted == targets, dtype=np.float64)
    if name in _SINGLE:
        return _SINGLE[name](targets.astype(np.float64), answered)
    true, said = targets.astype(np.int64), answered.predicted.astype(np.int64)
    return pseudo_values(BY_NAME[name], true, said, int(max(true.max(), said.max())) + 1)


def _squared(targets: NDArray[np.float64], answered: Answered) -> NDArray[np.float64]:
    return np.asarray((answered.predicted - targets) ** 2)


def _absolute(targets: NDArray[np.float64], answered: Answered) -> NDArray[np.float64]:
    return np.abs(answered.predicted - targets)


_SINGLE: Final = {"mse": _squared, "mae": _absolute}
"""Means over pictures that predictions give."""
