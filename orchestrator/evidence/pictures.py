"""What each test picture brings to a measure of a trial, from the predictions that are kept."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import DamagedResults
from orchestrator.evidence.stats.design import PREDICTIONS
from orchestrator.evidence.stats.pseudo_values import BY_NAME, OF_CLASS, Measured, pseudo_values
from orchestrator.evidence.stats.ranking_values import average_precision_values, roc_area_values
from orchestrator.evidence.strata import Brought
from orchestrator.grid.measures import Measure
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import Answered, PartTrial
from orchestrator.store.predictions.reading import examples_of, predicted_trials, predictions_of, refuse_other_length
from results_schema import CLASSES

OfOne = Callable[[NDArray[np.float32], Answered], NDArray[np.float64]]
"""Of the targets of a split and what a trial said, what each picture brings."""
_KEPT: Final = 1 << 26
"""Numbers that are held between two looks at the same trials, of one measure: 256 MiB."""


class KeptPictures:
    """The predictions of one results directory, read where a claim needs them. Implements `strata.Contributions`."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self._name = ""
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._named: dict[str, tuple[str, ...]] = {}
        self.damage: list[str] = []
        """One line where they are damaged; they are then taken as not there."""

    def __call__(self, on: Measure, trial_ids: Sequence[str]) -> Brought | str:
        """Each trial with what each picture brings, (pictures,), whose mean is the measure; or why that is not known."""
        name = on.column.removeprefix("test_")
        of_class = on.of_class
        known = {*BY_NAME, *_SINGLE, *_OF_TWO_CLASSES} if of_class is None else {*OF_CLASS, *_RANKING_OF_TWO}
        if (name if of_class is None else of_class.name) not in known:
            return _NOT_TOLD.format(on.name)
        splits = {self._trials[trial].split_id if trial in self._trials else None for trial in trial_ids}
        if None in splits or not splits:
            return PREDICTIONS
        if len(splits) > 1:
            return _OTHER_PICTURES
        of_two = name in _OF_TWO_CLASSES if of_class is None else of_class.name in _RANKING_OF_TWO
        classes = self._classes(trial_ids[0]) if of_two or of_class is not None else ()
        if of_two and len(classes) != _TWO:
            return _ALL_CLASSES.format(on.name)
        if of_class is not None and of_class.of not in classes:
            return _NO_CLASS.format(of_class.of)
        index = None if of_class is None else classes.index(of_class.of)
        one = partial(_of_one, name) if of_class is None or index is None else partial(_of_class, of_class.name, index)
        brought = self._brought(name, one, trial_ids, str(splits.pop()))
        return brought if not of_two and of_class is None else _or_too_few(brought, on.name)

    def _classes(self, trial: str) -> tuple[str, ...]:
        """Their names by label; none where no table tells."""
        if trial not in self._named:
            columns = ["class_index", "class_name"]
            rows = TablesRead(self._paths).wanted(CLASSES, columns, [("trial_id", "in", [trial])])
            self._named[trial] = tuple(rows.sort_values("class_index")["class_name"])
        return self._named[trial]

    @cached_property
    def _trials(self) -> dict[str, PartTrial]:
        try:
            return predicted_trials(self._paths)
        except DamagedResults as damaged:
            self.damage.append(str(damaged))
            return {}

    def _brought(self, name: str, one: OfOne, trial_ids: Sequence[str], split_id: str) -> Brought:
        """one: what makes of a trial's answers what each picture brings to the measure of this name."""
        if name != self._name:
            self._name, self._kept = name, {}
        known = {trial: self._kept[trial] for trial in trial_ids if trial in self._kept}
        yield from known.items()
        if len(known) == len(trial_ids):
            return
        targets = examples_of(self._paths, [split_id])["target"].to_numpy()
        for trial, answered in predictions_of(self._paths, set(trial_ids) - known.keys()):
            refuse_other_length(trial, len(targets))
            found = one(targets, answered).astype(np.float32)
            if len(self._kept) * found.size < _KEPT:
                self._kept[trial.trial_id] = found
            yield trial.trial_id, found


def _or_too_few(brought: Brought, name: str) -> Brought | str:
    """Of areas: where a class has a single picture, there is none without that."""
    found = list(brought)
    return _TOO_FEW.format(name) if any(not values.size for _, values in found) else iter(found)


def _of_one(name: str, targets: NDArray[np.float32], answered: Answered) -> NDArray[np.float64]:
    if name == "accuracy":
        return np.asarray(answered.predicted == targets, dtype=np.float64)
    if name in _SINGLE:
        return _SINGLE[name](targets.astype(np.float64), answered)
    if name in _OF_TWO_CLASSES:
        return _OF_TWO_CLASSES[name](targets == 1, _of_truth(answered))
    return _of_counts(BY_NAME[name], targets, answered)


def _of_class(name: str, index: int, targets: NDArray[np.float32], answered: Answered) -> NDArray[np.float64]:
    """Of class `index`; empty where it has no two pictures."""
    of_class = targets == index
    if of_class.sum() < _TWO:
        return np.empty(0)
    if name in _RANKING_OF_TWO:
        of_truth = _of_truth(answered)
        found = _RANKING_OF_TWO[name](of_class, np.where(of_class, of_truth, 1 - of_truth))
        return np.empty(0) if found is None else found
    measure = OF_CLASS[name]
    return _of_counts(lambda counts: measure(counts, index), targets, answered)


def _of_counts(measure: Measured, targets: NDArray[np.float32], answered: Answered) -> NDArray[np.float64]:
    true, said = targets.astype(np.int64), answered.predicted.astype(np.int64)
    return pseudo_values(measure, true, said, int(max(true.max(), said.max())) + 1)


def _of_truth(answered: Answered) -> NDArray[np.float64]:
    assert answered.probability is not None, "classes are said with probabilities"
    return answered.probability.astype(np.float64)


def _squared(targets: NDArray[np.float64], answered: Answered) -> NDArray[np.float64]:
    return np.asarray((answered.predicted - targets) ** 2)


def _absolute(targets: NDArray[np.float64], answered: Answered) -> NDArray[np.float64]:
    return np.abs(answered.predicted - targets)


def _surprise(_: NDArray[np.float64], answered: Answered) -> NDArray[np.float64]:
    return -np.log(np.maximum(_of_truth(answered), np.finfo(np.float32).tiny))


def _brier(_: NDArray[np.bool_], of_truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The other class lacks what the true one does."""
    return 2 * (1 - of_truth) ** 2


def _roc_area(second: NDArray[np.bool_], of_truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area of either class is the same."""
    found = roc_area_values(second, np.where(second, of_truth, 1 - of_truth))
    return np.empty(0) if found is None else found


def _average_precision(second: NDArray[np.bool_], of_truth: NDArray[np.float64]) -> NDArray[np.float64]:
    of_second = np.where(second, of_truth, 1 - of_truth)
    both = average_precision_values(second, of_second), average_precision_values(~second, 1 - of_second)
    return np.empty(0) if both[0] is None or both[1] is None else (both[0] + both[1]) / 2


_SINGLE: Final = {"mse": _squared, "mae": _absolute, "cross_entropy": _surprise}
"""Means over pictures that predictions give."""
_OF_TWO_CLASSES: Final = {"brier": _brier, "roc_auc_macro": _roc_area, "average_precision_macro": _average_precision}
"""Measures of the probabilities of all classes: of two, that of the true one tells the other."""
_RANKING_OF_TWO: Final = {"roc_auc": roc_area_values, "average_precision": average_precision_values}
"""The same of one of the two."""
_TWO: Final = 2
_INSTEAD: Final = "claim it of these pictures, or claim another measure"
_NOT_TOLD: Final = f"{{}} cannot be told picture by picture from the predictions that are kept: {_INSTEAD}"
_ALL_CLASSES: Final = (
    "of more than two classes {} is made of the probabilities of all of them, and predictions keep that of the true class:"
    f" {_INSTEAD}"
)
_TOO_FEW: Final = f"{{}} needs two pictures of each class to tell what one of them brings: {_INSTEAD}"
_NO_CLASS: Final = f"its data have no class {{!r}} that the table of classes knows: {_INSTEAD}"
_OTHER_PICTURES: Final = (
    "its trials were tested on different pictures, which no seeds have in common: claim it of cells that share a split"
)
