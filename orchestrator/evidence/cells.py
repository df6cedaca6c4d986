"""Whole cells of one data set beside one another: how the pictures of their scores were come by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.evidence.stats.design import PREDICTIONS, Design, FixedPictures, NoPictures, largest_variance
from orchestrator.evidence.strata import Contributions, drawn
from orchestrator.grid.measures import Measure

_AT_ONCE: Final = 1 << 25
"""Numbers that are read together, whole cells of them: 128 MiB. Each reading looks through all predictions."""
Brought = NDArray[np.float32]
"""(trials, pictures): what each picture brings to the measure of each trial of a cell, in their order."""


class CellPictures:
    """Of sums of cells, the design. Implements `leaderboard.Designs`."""

    def __init__(
        self, trials: pd.DataFrame, values: "pd.Series[float]", on: Measure, contributions: Contributions
    ) -> None:
        """trials: of one data set. values: of the measure `on`, of those trials that broke what they count as."""
        done = trials[trials["status"] == "completed"]
        self._on, self._contributions = on, contributions
        self._drawn = NoPictures() if done.empty else drawn(done, on)
        self._cells = dict(_counted(trials.assign(value=values)[values.notna()]))
        self._one_split = done["split_id"].nunique() <= 1
        self._smallest = done["test_size"].min()
        self._first: tuple[str, Brought] | None = None
        """The cell that others are compared with."""
        self._lacking = PREDICTIONS
        self._together: dict[str, Brought] = {}

    def __call__(self, weights: Mapping[str, float], seeds: Sequence[int]) -> Design:
        if self._drawn is not None:
            return self._drawn
        contrast = self._contrast(weights, seeds)
        if contrast is None:
            return FixedPictures(largest=self._largest(weights, seeds), lacking=self._lacking)
        return FixedPictures(contrast)

    def _contrast(self, weights: Mapping[str, float], seeds: Sequence[int]) -> NDArray[np.float64] | None:
        """(seeds, pictures)"""
        if not self._one_split:
            return None
        contrast: NDArray[np.float64] | None = None
        for cell_id, weight in weights.items():
            if (brought := self._brought(cell_id)) is None:
                return None
            if contrast is None and len(weights) > 1:
                self._first = cell_id, brought
            of_seeds = brought[self._cells[cell_id].rows(seeds)].astype(np.float64)
            contrast = weight * of_seeds if contrast is None else contrast + weight * of_seeds
        return contrast

    def _brought(self, cell_id: str) -> Brought | None:
        """What broke brings what it counts as, on each picture. None where predictions lack."""
        if self._first is not None and self._first[0] == cell_id:
            return self._first[1]
        if cell_id not in self._together and self._cells[cell_id].on_known_splits:
            self._together = dict(self._read(cell_id))
        return self._together.get(cell_id)

    def _read(self, cell_id: str) -> Iterator[tuple[str, Brought]]:
        """Of a cell, and of as many after it as go together."""
        cells = list(self._cells)
        following = [other for other in cells[cells.index(cell_id) :] if self._cells[other].on_known_splits]
        trials = np.cumsum([len(self._cells[other].values) for other in following]) * (
            int(self._smallest) if self._smallest > 0 else 1
        )
        wanted = following[: max(1, int(np.searchsorted(trials, _AT_ONCE)))]
        brought = self._contributions(self._on, [one for other in wanted for one in self._cells[other].completed])
        if isinstance(brought, str):
            self._lacking = brought
            return
        values = dict(brought)
        for other in wanted:
            of_cell = self._cells[other]
            there = [values.get(trial_id) for trial_id in of_cell.trial_ids]
            pictures = next((one.size for one in there if one is not None), 0)
            if pictures > 1:
                floors = of_cell.values.astype(np.float32)
                matrix = [
                    np.full(pictures, floor) if one is None else one for one, floor in zip(there, floors, strict=True)
                ]
                yield other, np.asarray(matrix, dtype=np.float32)

    def _largest(self, weights: Mapping[str, float], seeds: Sequence[int]) -> float | None:
        """What pictures bring to an accuracy at most, where nothing tells what they do."""
        if self._on.name != "test_accuracy" or not self._smallest > 0:
            return None
        cells = [self._cells[cell_id] for cell_id in weights]
        accuracies = [float(cell.values[cell.rows(seeds)].mean()) for cell in cells]
        return largest_variance(np.array(list(weights.values())), np.array(accuracies), int(self._smallest))


class _Counted(NamedTuple):
    """The trials of a cell that count, completed or broken."""

    trial_ids: list[str]
    places: dict[int, int]
    """By seed."""
    values: NDArray[np.float64]
    completed: list[str]
    on_known_splits: bool
    """Whether some completed, and it is known on which pictures each of them was tested."""

    def rows(self, seeds: Sequence[int]) -> list[int]:
        return [self.places[seed] for seed in seeds]


def _counted(trials: pd.DataFrame) -> Iterator[tuple[str, _Counted]]:
    """Of each cell by its id. trials: with `value`, which all of them have."""
    ids, is_done = trials["trial_id"].to_numpy(dtype=object), (trials["status"] == "completed").to_numpy(dtype=np.bool_)
    seeds, on_known = trials["seed"].to_numpy(), trials["split_id"].notna().to_numpy()
    values = trials["value"].to_numpy(dtype=np.float64)
    for cell_id, found in trials.groupby("cell_id", sort=False).indices.items():
        rows = np.asarray(found)
        done = rows[is_done[rows]]
        places = {seed: place for place, seed in enumerate(seeds[rows].tolist())}
        known = len(done) > 0 and bool(on_known[done].all())
        yield str(cell_id), _Counted(ids[rows].tolist(), places, values[rows], ids[done].tolist(), known)
