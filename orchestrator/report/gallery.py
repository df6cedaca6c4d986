"""Pictures that are taken for others: those that the best cell is surest of, and those that every cell gets wrong."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from orchestrator.errors import OrchError, UserError
from orchestrator.results.wrong import WrongExamples, wrong_examples
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import PartTrial
from orchestrator.store.predictions.reading import examples_of, predicted_trials, predictions_of, refuse_other_length
from results_schema import TRIALS
from trainables import METHOD_AXES, levels_shown
from trainables.data.cache import cache_folder, examples_at_hand
from trainables.data.subset import divided
from trainables.dataset import DataLocation, Dataset
from trainables.errors import DataError, TrainablesError
from trainables.protocol import Splits
from trainables.registry import registry
from trainables.training.predictions import split_identity

MOST: Final = 12
"""Pictures of a row."""
_TRIALS: Final = 5
"""Of the best cell, whose wrong answers are looked at."""
_CELLS: Final = 200
"""Cells that are asked what they get wrong, at most."""
_DATASETS: Final = 20
"""Data sets with galleries, at most."""
_NAME: Final = 120
"""Characters of a source."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One test example."""

    source: str
    """Its file's name, or a digest of its content."""
    target: str
    predicted: str
    """What it was taken for; empty where that differs between cells."""
    probability: float | None
    """Of the true class; of several cells the mean."""
    image: str
    """An address that holds all of it; empty where the data is not on this machine."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """What is shown of one data set."""

    dataset: str
    best: str
    """The label of the best cell."""
    surest: tuple[Picture, ...]
    """What trials of the best cell got wrong with the least probability for the truth."""
    cells: int
    """Cells of which one trial each was asked for what it gets wrong; below 2 nothing is shown of it."""
    everywhere: int
    """Test examples that all of these get wrong."""
    examples: int
    shared: tuple[Picture, ...]
    """Of those the ones with the least probability for the truth."""


def galleries(
    paths: ResultsPaths, tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame
) -> tuple[Gallery, ...]:
    """A gallery for each data set of which there are predictions. ranked: the cells, the best first in each data set."""
    try:
        kept = predicted_trials(paths)
        done = trials[(trials["status"] == "completed") & trials["trial_id"].isin(list(kept))]
        datasets = [name for name in ranked["dataset"].unique() if (done["dataset"] == name).any()]
        return tuple(_gallery(paths, tables, name, done, ranked, kept) for name in datasets[:_DATASETS])
    except OrchError as unreadable:
        tables.damage.append(str(unreadable))
        return ()


def _gallery(
    paths: ResultsPaths,
    tables: TablesRead,
    dataset: str,
    done: pd.DataFrame,
    ranked: pd.DataFrame,
    kept: Mapping[str, PartTrial],
) -> Gallery:
    own = done[done["dataset"] == dataset]
    there = set(own["cell_id"])
    cells = [cell for cell in ranked.loc[ranked["dataset"] == dataset, "cell_id"] if cell in there]
    best = own[own["cell_id"] == cells[0]].sort_values("seed")
    found = [wrong_examples(paths, trial_id) for trial_id in best["trial_id"].head(_TRIALS)]
    label = " ".join(levels_shown([best[axis].iloc[0] for axis in METHOD_AXES]))
    everywhere = _everywhere(paths, own, cells[:_CELLS], kept) if found[0].probability is not None else None
    shown = _Images(tables)
    return Gallery(
        dataset,
        label,
        tuple(_surest(found, shown)),
        0 if everywhere is None else everywhere.cells,
        0 if everywhere is None else len(everywhere.positions),
        0 if everywhere is None else everywhere.examples,
        () if everywhere is None else tuple(everywhere.pictures(found[0], shown)),
    )


def _surest(found: Sequence[WrongExamples], shown: "_Images") -> Iterator[Picture]:
    """Each picture once, as the trial has it that was surest."""
    rows = [(one, row) for one in found for row in range(min(MOST, one.count))]
    rows.sort(key=lambda each: _confidence(*each))
    seen = set[str]()
    for one, row in rows:
        source = one.sources[row].as_py()
        if source in seen or len(seen) == MOST:
            continue
        seen.add(source)
        probability = None if one.probability is None else float(one.probability[row])
        image = shown.of(one.trial_id, one.split_id, int(one.positions[row]))
        target, predicted = float(one.targets[row]), float(one.predicted[row])
        yield Picture(source[:_NAME], one.name(target), one.name(predicted), probability, image)


def _confidence(found: WrongExamples, row: int) -> float:
    if found.probability is None:
        return -abs(float(found.predicted[row]) - float(found.targets[row]))
    return float(found.probability[row])


@dataclass(frozen=True, slots=True)
class _Everywhere:
    """What one trial of each cell gets wrong on one test split."""

    trial_id: str
    """One of them."""
    split_id: str
    cells: int
    examples: int
    positions: Sequence[int]
    """Of what all get wrong, the least probable truth first."""
    probability: Sequence[float]
    """The mean over the cells."""
    rows: pa.Table
    """The examples of the split."""

    def pictures(self, names: WrongExamples, shown: "_Images") -> Iterator[Picture]:
        """names: knows what classes are called."""
        for position, probability in list(zip(self.positions, self.probability, strict=True))[:MOST]:
            source, target = (self.rows[column][position].as_py() for column in ("source", "target"))
            image = shown.of(self.trial_id, self.split_id, position)
            yield Picture(source[:_NAME], names.name(target), "", probability, image)


def _everywhere(
    paths: ResultsPaths, own: pd.DataFrame, cells: Sequence[str], kept: Mapping[str, PartTrial]
) -> _Everywhere | None:
    """On the test split that most cells have a trial of. None where none has two."""
    split_id, trials = shared_split(own, cells, kept)
    if len(trials) < 2:
        return None
    rows = examples_of(paths, [split_id])
    targets = rows["target"].to_numpy()
    wrong, total = np.ones(len(targets), np.bool_), np.zeros(len(targets))
    for trial, answered in predictions_of(paths, list(trials["trial_id"])):
        refuse_other_length(trial, len(targets))
        wrong &= answered.predicted != targets
        total += 0 if answered.probability is None else answered.probability
    positions = np.flatnonzero(wrong)
    positions = positions[np.argsort(total[positions], kind="stable")]
    mean = total[positions] / len(trials)
    trial_id = str(trials["trial_id"].iloc[0])
    return _Everywhere(trial_id, split_id, len(trials), len(targets), positions.tolist(), mean.tolist(), rows)


def shared_split(own: pd.DataFrame, cells: Sequence[str], kept: Mapping[str, PartTrial]) -> tuple[str, pd.DataFrame]:
    """Return the test split that most of the cells have a trial of, and of each such cell the trial with the least seed.

    own: trials of one data set that have predictions. kept: where these stand.
    """
    splits = own["trial_id"].map(lambda trial_id: kept[trial_id].split_id).rename("split")
    first = (
        own.assign(split=splits)[own["cell_id"].isin(cells)].sort_values("seed").drop_duplicates(["split", "cell_id"])
    )
    split_id, trials = max(first.groupby("split", sort=False), key=lambda each: len(each[1]), default=("", first))
    return str(split_id), trials


# The pictures themselves, where this machine has decoded the data before.


class _Images:
    """Finds test examples of trials; each test split is divided once."""

    def __init__(self, tables: TablesRead) -> None:
        self._tables = tables
        self._inputs: dict[str, Any] = {}

    def of(self, trial_id: str, split_id: str, position: int) -> str:
        """An address that holds all of the example; empty where it is not at hand."""
        if split_id not in self._inputs:
            self._inputs[split_id] = _TestInputs.found(self._row(trial_id), split_id)
        found = self._inputs[split_id]
        from orchestrator.report.data_page import address  # with torch, which no figure needs

        return "" if found is None else address(np.asarray(found.inputs[found.test[position]]))

    def _row(self, trial_id: str) -> dict[str, Any]:
        columns = ["dataset_config", "data_fingerprint", "protocol_config", "seed", "seed_split"]
        rows = self._tables.wanted(TRIALS, columns, [("trial_id", "in", [trial_id])]).to_dict("records")
        return {str(name): value for name, value in rows[0].items()} if rows else {}


@dataclass(frozen=True, slots=True)
class _TestInputs:
    """Decoded inputs, and which of them are tested on."""

    inputs: Any
    test: Any

    @classmethod
    def found(cls, trial: Mapping[str, Any], split_id: str) -> Self | None:
        """None where the data is not at hand, or is divided otherwise than when the trial ran."""
        with suppress(KeyError, ValueError, TypeError, AssertionError, OSError, UserError, DataError, TrainablesError):
            config = json.loads(trial["dataset_config"])
            dataset = registry.get("dataset", config.pop("name")).from_parameters(config)
            assert isinstance(dataset, Dataset)
            splits = Splits.from_parameters(json.loads(trial["protocol_config"])["splits"])
            location = DataLocation(None, None, cache_folder())
            seeds = int(trial["seed_split"]), int(trial["seed"])
            return cls._divided(dataset, location, str(trial["data_fingerprint"]), splits, seeds, split_id)
        return None

    @classmethod
    def _divided(
        cls,
        dataset: Dataset,
        location: DataLocation,
        fingerprint: str,
        splits: Splits,
        seeds: tuple[int, int],
        split_id: str,
    ) -> Self | None:
        """seeds: of the split, and the trial's own, which picks its fold. Of a stream there are none: its pictures are not
        as they were decoded.
        """
        there = None if dataset.stream is not None else examples_at_hand(dataset, location, fingerprint)
        if there is None or not hasattr(there.examples, "inputs"):
            return None
        test = divided(dataset, there.examples, there.hashes, there.info.classes, splits, *seeds).split.test
        same = split_identity(dataset, fingerprint, test, len(there.examples)) == split_id
        return cls(there.examples.inputs, test) if same else None
