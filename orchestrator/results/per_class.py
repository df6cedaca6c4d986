"""What the best cell of each data set makes of each class, and what to say the commonest class always would score."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from orchestrator.errors import UserError
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import is_open
from orchestrator.evidence.stats.pseudo_values import BY_NAME, OF_CLASS
from orchestrator.grid.measures import class_measure
from orchestrator.results.board import board_of
from orchestrator.results.ranked import evaluating, tuned_label
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from results_schema import CLASSES

_MEASURES: Final = ["precision", "recall", "f1", "roc_auc", "average_precision"]
_COLUMNS: Final = ["trial_id", "class_index", "class_name", "support", *_MEASURES]


def class_table(paths: ResultsPaths, measure: str | None = None) -> pa.Table:
    """A row for each class of the first cell of each data set that has classes: means over its completed seeds.

    `support`: test examples of a seed, the mean. `n`: seeds. measure: as `board_of` takes it.

    Raises UserError while trials have still to run, and where no trial has classes; DamagedResults.
    """
    tables = TablesRead(paths)
    trials = evaluating(tables.every_trial(["trial_id", "cell_id", "purpose", "planned", "dataset", "status"]))
    if is_open(trials["status"].unique()):
        raise UserError(
            f"trials of {paths.root} have still to run; classes are shown on the test split once they have ended"
        )
    ranked, _ = board_of(paths, tables, KeptPictures(paths), measure)
    found = []
    for dataset, cells in ranked[ranked["n"] > 0].groupby("dataset", sort=False):
        first = cells.iloc[0]
        ids = trials.loc[(trials["cell_id"] == first["cell_id"]) & (trials["status"] == "completed"), "trial_id"]
        rows = tables.wanted(CLASSES, _COLUMNS, [("trial_id", "in", list(ids))])
        if len(rows):
            means = rows.groupby(["class_index", "class_name"], sort=True)[["support", *_MEASURES]].mean().reset_index()
            whose = {"dataset": str(dataset), "cell": tuned_label(first), "class": means["class_name"]}
            found.append(
                pd.DataFrame({**whose, **means[["support", *_MEASURES]], "n": int(rows["trial_id"].nunique())})
            )
    if not found:
        raise UserError(f"no completed trial of {paths.root} has classes")
    return pa.Table.from_pandas(pd.concat(found), preserve_index=False)


@dataclass(frozen=True, slots=True)
class Majority:
    """What it scores to say the commonest class of the test split always: no trial, and nothing is trained."""

    dataset: str
    name: str
    """Of the class; of several, as splits have it, the one that most have."""
    value: float
    """The mean over the test splits of the seeds."""


def majorities(ranked: pd.DataFrame, trials: pd.DataFrame, tables: TablesRead) -> Iterator[Majority]:
    """Of each data set whose cells are shown by a measure of the test split that predicted classes alone give. ranked: of
    `ranked_cells`. trials: with `trial_id`, `cell_id`, `status`.
    """
    for dataset, cells in ranked[ranked["n"] > 0].groupby("dataset", sort=False):
        column = str(cells["measure"].iloc[0])
        if not column.startswith("test_"):
            continue
        of_first = trials[(trials["cell_id"] == cells["cell_id"].iloc[0]) & (trials["status"] == "completed")]
        columns = ["trial_id", "class_index", "class_name", "support"]
        rows = tables.wanted(CLASSES, columns, [("trial_id", "in", list(of_first["trial_id"]))])
        of_splits = [_said_always(column, part.sort_values("class_index")) for _, part in rows.groupby("trial_id")]
        known = [one for one in of_splits if one is not None]
        if known and len(known) == len(of_splits):
            names = pd.Series([name for name, _ in known])
            yield Majority(str(dataset), str(names.mode().iloc[0]), float(np.mean([value for _, value in known])))


def _said_always(column: str, classes: pd.DataFrame) -> tuple[str, float] | None:
    """The commonest class of a test split, of equals the first, and what it scores; None of another measure.

    classes: rows of a trial, in the order of labels.
    """
    supports, names = classes["support"].to_numpy(np.float64), list(classes["class_name"])
    commonest = int(supports.argmax())
    counts = np.zeros((len(names), len(names)))
    counts[:, commonest] = supports
    if (of_class := class_measure(column)) is not None:
        if of_class.name not in OF_CLASS or of_class.of not in names:
            return None
        return names[commonest], float(OF_CLASS[of_class.name](counts, names.index(of_class.of)))
    measure = BY_NAME.get(column.removeprefix("test_"))
    return None if measure is None else (names[commonest], float(measure(counts)))
