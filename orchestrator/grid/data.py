"""The data sets of a grid on this machine: where they lie, what they hold, and what of them is missing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

from orchestrator.grid.levels import Level, meaning
from orchestrator.grid.nodes import At
from orchestrator.grid.problems import Problems
from trainables.dataset import DataInfo, DataPlace, Dataset
from trainables.errors import DataError, DataMissing, UnfitOption, UnknownComponent
from trainables.registry import registry
from trainables.spec import dataset_digest
from trainables.task import Task


@dataclass(frozen=True, eq=False)
class LocatedData:
    """A level of the data-set axis on this machine."""

    level: Level
    dataset: Dataset
    """With its paths made absolute."""
    info: DataInfo | None
    """As models are told of it, under the data set's options; None where the files are missing."""
    task: Task | None
    fingerprint: str | None
    missing: str | None = None
    """Why there is no fingerprint: what is missing, and would be downloaded."""
    unsupported: str | None = None
    """Why the options make no sense of this data: its cells are skipped for that."""

    @cached_property
    def digest(self) -> bytes:
        """Of configuration and content. Raises DataMissing."""
        if self.fingerprint is None:
            raise DataMissing(self.missing)
        return dataset_digest(self.dataset, self.fingerprint)


def locate(levels: Iterable[Level], place: DataPlace, file: Path, download: bool) -> dict[object, LocatedData]:
    """By `meaning`, each level's data set and what it holds; of those with equal configuration and content the first.

    Where a data set that can be downloaded is absent it is fetched (`download`), or said to be missing. Raises
    GridError for all others that are missing or cannot be used.
    """
    problems = Problems(file)
    located: dict[object, LocatedData] = {}
    contents: dict[object, LocatedData] = {}
    for level in levels:
        if meaning(level.parts) in located:
            continue
        try:
            data = _located(level, place, download)
        except (DataError, UnknownComponent) as unusable:
            problems.add(place_of(unusable, level), str(unusable))
            continue
        content = meaning(level.parts) if data.fingerprint is None else data.digest
        located[meaning(level.parts)] = contents.setdefault(content, data)
    problems.raise_if_any()
    return located


def place_of(error: Exception, level: Level) -> At:
    """Where the grid says what a data set could not do: the option that does not fit, else the path."""
    return level.parts[0].at(error.option if isinstance(error, UnfitOption) else "path")


def _located(level: Level, place: DataPlace, download: bool) -> LocatedData:
    dataset = cast(Dataset, level.config).located(place)
    data = LocatedData(level, dataset, None, None, None)
    can_download = type(dataset).fetch is not Dataset.fetch
    if can_download and download:
        dataset.fetch(place)
    try:
        plain = dataset.info(place)
        info, unsupported = dataset.under_options(plain), dataset.supports(plain)
        task = cast(Task, registry.get("task", info.task)())
        return replace(data, info=info, task=task, fingerprint=dataset.fingerprint(place), unsupported=unsupported)
    except DataMissing as missing:
        if download or not can_download:
            raise
        return replace(data, missing=str(missing))
