"""Precision by recall of each class against the rest, from the ROC curves that are kept and the counts of the classes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.report.page_data import Number, number

CLASS_COLUMNS: Final = ["trial_id", "class_index", "support", "average_precision"]
RECALLS: Final = tuple(float(f"{recall:.2f}") for recall in np.linspace(0.01, 1, 100))
_SAME: Final = 1e-9
"""Recalls are shares of counts: nearer to each other, they are one."""


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """A class against the rest, precision averaged over seeds at each recall of `RECALLS`."""

    class_index: int
    """Its place among the classes of the data set."""
    precision: tuple[float, ...]
    average_precision: Number
    """The mean over seeds of what `classes` has, of all scores; None where an older orch has not measured it."""
    prevalence: float
    """Share of the test examples that are of the class, the mean over seeds: the precision of guessing."""
    seeds: int


def precision_recall(
    curves: pd.DataFrame, classes: pd.DataFrame, indices: tuple[int, ...]
) -> tuple[PrecisionRecall, ...]:
    """curves, classes: rows of the trials of one cell. indices: the labels of the classes in their order.

    The points of a ROC curve and those of the curve of precision and recall stand for the same thresholds, and a straight
    piece of the one is the right interpolation of the other (Davis and Goadrich 2006). A curve of more corners than are kept
    (101) is exact at those that are. A class without test examples has none.
    """
    found: dict[int, list[tuple[NDArray[np.float64], float]]] = {index: [] for index in indices}
    rows = classes[["trial_id", "class_index", "support"]].itertuples(index=False)
    supports = {(str(trial_id), int(index)): float(support) for trial_id, index, support in rows}
    totals = classes.groupby("trial_id")["support"].sum()
    ordered = curves[curves["curve"] == "roc"].sort_values(["trial_id", "class_index", "point"], kind="stable")
    for key, part in ordered.groupby(["trial_id", "class_index"], sort=False):
        trial_id, index = str(key[0]), int(str(key[1]))
        support, total = supports[trial_id, index], float(totals[trial_id])
        line = _precision(part["x"].to_numpy(np.float64), part["y"].to_numpy(np.float64), support, total - support)
        found[index].append((line, support / total))
    scores = classes.groupby("class_index")["average_precision"].mean()
    return tuple(
        PrecisionRecall(
            place,
            tuple(np.mean([line for line, _ in found[index]], axis=0).tolist()),
            number(scores.get(index)),
            float(np.mean([share for _, share in found[index]])),
            len(found[index]),
        )
        for place, index in enumerate(indices)
        if found[index]
    )


def _precision(
    false_positive_rate: NDArray[np.float64], recall: NDArray[np.float64], positives: float, negatives: float
) -> NDArray[np.float64]:
    """At each of `RECALLS`: of thresholds that find as many, the one that takes fewest of the others along."""
    wanted = np.asarray(RECALLS)
    at = np.clip(np.searchsorted(recall, wanted - _SAME, side="left"), 1, len(recall) - 1)
    rise = recall[at] - recall[at - 1]
    way = np.divide(wanted - recall[at - 1], rise, out=np.ones_like(rise), where=rise > 0).clip(0, 1)
    wrong = false_positive_rate[at - 1] + way * (false_positive_rate[at] - false_positive_rate[at - 1])
    return np.asarray(wanted * positives / (wanted * positives + wrong * negatives))
