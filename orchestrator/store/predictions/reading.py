"""Reads predictions with bounded memory: trial by trial, or as a matrix of trials and the examples of one test split."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchestrator.errors import DamagedResults
from orchestrator.store.files import damaged
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import Answered, Part, PartTrial, refuse_changed, rows_of
from orchestrator.store.tables import Checksums, intact_content
from results_schema import EXAMPLES


def examples_of(paths: ResultsPaths, split_ids: Collection[str] | None = None) -> pa.Table:
    """The examples of test splits, of all where none are named; without a row where none are kept. Raises DamagedResults."""
    path = paths.table(EXAMPLES.name)
    where = None if split_ids is None else pc.field("split_id").isin(pa.array(sorted(split_ids), pa.string()))
    try:
        content = pa.BufferReader(intact_content(path, paths))
        found = pq.read_table(content, filters=where, page_checksum_verification=True)
    except FileNotFoundError:
        return EXAMPLES.schema.empty_table()
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, " ".join(str(error).split()), paths.root) from error
    if not found.schema.equals(EXAMPLES.schema):
        raise damaged(path, "its columns are not those of examples", paths.root)
    return found


def predicted_trials(paths: ResultsPaths) -> dict[str, PartTrial]:
    """By trial, whose predictions stand in the table; those that still wait in the journal are not among them.

    Raises DamagedResults.
    """
    trials = (trial for path in _listed(paths) for trial in _part(path).trials)
    return {trial.trial_id: trial for trial in trials}


def predictions_of(paths: ResultsPaths, trial_ids: Collection[str]) -> Iterator[tuple[PartTrial, Answered]]:
    """What trials said, one after another in no order; nothing of those that have none. A row group is held at a time.

    Raises DamagedResults.
    """
    wanted = set(trial_ids)
    for path in _listed(paths):
        if any(trial.trial_id in wanted for trial in _part(path).trials):
            refuse_changed(path)
            yield from rows_of(path, wanted)


@dataclass(frozen=True)
class SplitPredictions:
    """What trials said of the examples of one test split: (trials, examples)."""

    split_id: str
    trial_ids: tuple[str, ...]
    """Of each row; in the order that was asked for, without those that have no predictions of this split."""
    targets: NDArray[np.float32]
    """(examples,)"""
    groups: NDArray[np.int64] | None
    """(examples,); None where each example stands for itself."""
    predicted: NDArray[np.float32]

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each answer is the truth."""
        return np.asarray(self.predicted == self.targets)


def split_predictions(paths: ResultsPaths, split_id: str, trial_ids: Sequence[str]) -> SplitPredictions:
    """Holds the matrix and a part's row group. Raises DamagedResults, also where the split is not known."""
    examples = examples_of(paths, [split_id])
    count = examples.num_rows
    if not count:
        raise DamagedResults(f"{paths.root}: no examples are kept of the test split {split_id}")
    places = {trial_id: row for row, trial_id in enumerate(dict.fromkeys(trial_ids))}
    matrix = np.empty((len(places), count), np.float32)
    found = set[str]()
    for trial, answered in predictions_of(paths, places):
        if trial.split_id == split_id:
            refuse_other_length(trial, count)
            matrix[places[trial.trial_id]] = answered.predicted
            found.add(trial.trial_id)
    there = [trial_id for trial_id in places if trial_id in found]
    if len(there) < len(places):
        matrix = matrix[[places[trial_id] for trial_id in there]]
    groups = None if examples["group"].null_count else examples["group"].to_numpy()
    return SplitPredictions(split_id, tuple(there), examples["target"].to_numpy(), groups, matrix)


def refuse_other_length(trial: PartTrial, examples: int) -> None:
    """Raises DamagedResults where a trial has other predictions than its split has examples."""
    if trial.examples != examples:
        raise DamagedResults(
            f"the predictions of trial {trial.trial_id} are {trial.examples}, and its test split {trial.split_id} has"
            f" {examples} examples: they are of another split; `orch verify` says which file has them"
        )


def split_sizes(examples: pa.Table) -> dict[str, int]:
    """Examples of each test split, by its id."""
    return dict(Counter(examples["split_id"].to_pylist()))


def _listed(paths: ResultsPaths) -> list[Path]:
    """The parts that make the table. One that is put in place only now is of the next look."""
    return [paths.predictions / name for name in Checksums.read(paths.checksums).parts]


def _part(path: Path) -> Part:
    """Raises DamagedResults, where it is gone too."""
    try:
        return Part.read(path)
    except FileNotFoundError as error:
        raise damaged(path, "it is gone", path.parent.parent) from error
