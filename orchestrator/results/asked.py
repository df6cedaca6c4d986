"""Measures that whoever reads results asks for by name, in place of what the grid selects by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from orchestrator.errors import UserError
from orchestrator.evidence.selection import (
    MEASURES,
    Measure,
    Split,
    is_open,
    measure_of_class,
    task_measures,
)
from orchestrator.grid.measures import class_measure
from orchestrator.grid.mistakes import near
from orchestrator.store.class_columns import WHOSE
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial, table_of
from results_schema import CLASSES
from trainables.columns import ClassMeasure
from trainables.task import Task, tasks

_SPLITS = ("train_", "val_", "test_")


def asked_columns(name: str) -> list[str]:
    """The columns of trials that a leaderboard by this measure needs beside `SCORES`: those of a measure of one class."""
    of_class = class_measure(name)
    return [] if of_class is None else [str(of_class.on(split)) for split in _SPLITS]


def measures_asked(trials: pd.DataFrame, name: str, paths: ResultsPaths) -> Mapping[str, Measure]:
    """The measure of each data set that has it. name: `f1_macro`, `recall[defect]`, or a column such as `test_f1_macro`.

    trials: all that are planned, with `SCORES` and `asked_columns`: test is shown when none has still to run. Raises
    UserError where there is no such measure, or no trial has it on validation, which ranks.
    """
    split: Split = "validation" if is_open(trials["status"].unique()) else "test"
    known = [one for one in (_measure_in(task, name) for task in tasks()) if one is not None]
    if not known:
        raise _unknown(name)
    found: dict[str, Measure] = {}
    for dataset, part in trials.groupby("dataset", sort=False):
        there = [one for one in known if part[one.validation].notna().any()]
        if there:
            found[str(dataset)] = replace(there[0], split=split)
    if not found:
        of_class = class_measure(known[0].validation)
        if of_class is not None:
            refuse_unmeasured([of_class], paths)
        raise UserError(f"no trial of {paths.root} has {known[0].validation}, by which its cells would be ranked")
    return found


def refuse_unmeasured(measures: Iterable[ClassMeasure], paths: ResultsPaths) -> None:
    """Raises UserError where nothing here has a class of this name, or no trial is measured on it: on training and
    validation that class alone is which the data set called positive when the trial ran.
    """
    measures = list(measures)
    if not measures:
        return
    names = table_of(paths, CLASSES)["class_name"].unique().to_pylist()
    positive: Sequence[str] = ()
    for one in measures:
        if one.of not in names:
            hint = near(one.of, names) if names else "no trial has completed on data that have classes"
            raise UserError(f"{one}: {paths.root} has no class {one.of!r}; {hint}")
        if one.split != "test_":
            positive = positive or _positive_in(paths)
            if one.of not in positive:
                whose = " and ".join(positive)
                named = f"`positive` named {whose}" if positive else "no data set named one as `positive`"
                raise UserError(
                    f"{one}: when the trials of {paths.root} ran, {named}, and on training and validation no other class is"
                    f" measured; {one.on('test_')} is there: `orch results {paths.root} --columns"
                    f" 'trial_id,{one.on('test_')}'`; to have it, sweep with `positive: {one.of}` into a new directory"
                )


def _positive_in(paths: ResultsPaths) -> list[str]:
    """The classes that were positive when trials ran; a table of an older orch has no such column."""
    trials = every_trial(paths)
    there = WHOSE in trials.column_names
    return list(trials[WHOSE].drop_null().unique().to_pylist()) if there else []


def _measure_in(task: type[Task], name: str) -> Measure | None:
    if (of_class := class_measure(name)) is not None:
        return measure_of_class(of_class, task) if of_class.name in task.class_selections() else None
    found = task_measures(task)
    plain = name if name in found else f"val_{_bare(name)}"
    return found.get(plain)


def _bare(name: str) -> str:
    return next((name.removeprefix(split) for split in _SPLITS if name.startswith(split)), name)


def _unknown(name: str) -> UserError:
    if (of_class := ClassMeasure.read(name)) is not None:
        names = sorted({each for task in tasks() for each in task.class_selections()})
        return UserError(f"there is no measure {of_class.name!r} of a class; {near(of_class.name, names)}")
    return UserError(f"there is no measure {name!r}; {near(_bare(name), sorted({one.name for one in MEASURES}))}")
