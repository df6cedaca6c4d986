"""Measures of one class, such as `test_recall[defect]`: columns of trials and epochs that are made where they are asked for.

Of the test split `classes` has every class of every trial. Of training and validation there is the class alone that the data
set called positive when the trial ran: where it names another now, a trial that had ended has nothing of the new one. No
figure of one class ever stands for another.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from orchestrator.grid.measures import class_measure
from results_schema import CLASSES, TRIALS
from trainables.columns import POSITIVE, ClassMeasure

if TYPE_CHECKING:
    import pandas as pd

WHOSE: Final = "positive_class"
"""Column of `trials`: the class that those with this ending are of."""
_SPLITS: Final = ("train_", "val_", "test_")
_STORED: Final = [name for name in TRIALS.columns if name.endswith(POSITIVE) and not name.startswith("test_")]
_OF_CLASSES: Final = [name for name in CLASSES.columns if name not in ("trial_id", "class_index", "support")]
NEEDED: Final = ("trial_id", WHOSE, *_STORED)
"""What they are made of, in a table of trials."""
ClassRows = Callable[[Sequence[str], Sequence[str]], pa.Table]
"""Of the columns and the names of classes that are wanted, these columns of `classes`."""


def measures_in(columns: Iterable[str], protocols: Iterable[str | None] = ()) -> list[ClassMeasure]:
    """The measures of classes among columns, and those that protocols (`protocol_config`) select by, of each split."""
    named = [class_measure(name) for name in columns]
    selected = [class_measure(str(json.loads(text).get("select"))) for text in protocols if text is not None]
    selected = [None if one is None else one.on(split) for one in selected for split in _SPLITS]
    return list(dict.fromkeys(one for one in (*named, *selected) if one is not None and one.split))


def with_class_columns(trials: pa.Table, measures: Sequence[ClassMeasure], rows: ClassRows) -> pa.Table:
    """trials: with `NEEDED`, as far as an older orch has them. rows: reads `classes`."""
    tested = dict(_of_test(measures, rows))
    for measure in measures:
        if str(measure) in trials.column_names:
            continue
        if measure.split == "test_":
            values = [tested[measure].get(trial_id) for trial_id in trials["trial_id"].to_pylist()]
            column = pa.array(values, pa.float64())
        else:
            column = _where_it_is(trials, measure)
        trials = trials.append_column(str(measure), column)
    return trials


def class_epochs(
    epochs: "pd.DataFrame", positive: "pd.Series[Any]", measures: Iterable[ClassMeasure]
) -> "pd.DataFrame":
    """Epochs with measures of validation. positive: by trial id, the class that its are of."""
    whose = epochs["trial_id"].map(positive)
    return epochs.assign(**{str(one): epochs[one.stored].where(whose == one.of) for one in measures})


def _of_test(measures: Sequence[ClassMeasure], rows: ClassRows) -> Iterator[tuple[ClassMeasure, dict[str, float]]]:
    tested = [one for one in measures if one.split == "test_" and one.name in _OF_CLASSES]
    if not tested:
        return
    classes = rows(["trial_id", "class_name", *{one.name for one in tested}], sorted({one.of for one in tested}))
    for one in tested:
        of_class = zip(*(classes[name].to_pylist() for name in ("trial_id", "class_name", one.name)), strict=True)
        yield one, {trial_id: value for trial_id, name, value in of_class if name == one.of}


def _where_it_is(trials: pa.Table, measure: ClassMeasure) -> pa.Array | pa.ChunkedArray:
    import pyarrow.compute as pc  # 60 ms, for results that have such measures alone

    if WHOSE not in trials.column_names or measure.stored not in trials.column_names:
        return pa.nulls(trials.num_rows, pa.float64())
    return pc.if_else(pc.fill_null(pc.equal(trials[WHOSE], measure.of), False), trials[measure.stored], None)
