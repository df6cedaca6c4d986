"""The data sets of a grid on this machine: where they lie, what they hold, and what of them is missing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, cast

from clusters.yaml_file import At
from orchestrator.grid.levels import ComponentValues, Level, meaning
from orchestrator.grid.mistakes import Placed, grid_error
from orchestrator.grid.spec import Axes
from orchestrator.grid.values import Value, value_of
from trainables.component import Component
from trainables.data.cache import hashes_at_hand
from trainables.data.checks import split_faults, with_split_faults
from trainables.data.subset import SeededSplit
from trainables.dataset import DataInfo, DataLocation, Dataset, Outline
from trainables.errors import (
    BrokenComponent,
    DataError,
    DataMissing,
    UnfitOption,
    UnknownComponent,
    WeightsError,
    each_of,
    raise_all,
)
from trainables.interfaces import Model
from trainables.spec import dataset_digest
from trainables.task import Task, task_of

_KINDS: Final = 5
"""Of files that are not read, by their endings, that a warning tells."""


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
    outline: Outline | None = None
    """What names and labels alone tell, where they do."""
    unread: bool = False
    """Whether these are a user's own images, and none of them has been decoded so far."""
    unsupported: str | None = None
    """Why the options make no sense of this data: its cells are skipped for that."""

    @property
    def left_out(self) -> str | None:
        """What lies among the data and is not read, in a sentence; None where nothing does."""
        left = () if self.outline is None else self.outline.left_out
        if not left:
            return None
        listed = ", ".join(f"{kind.files:,} {kind.what}" for kind in left[:_KINDS])
        rest = sum(kind.files for kind in left[_KINDS:])
        more = f" and {rest:,} of other kinds" if rest else ""
        return f"{self.level.label}: files that are not read as data: {listed}{more} (such as {left[0].example})"

    @cached_property
    def digest(self) -> bytes:
        """Return the digest of configuration and content. Raises DataMissing."""
        if self.fingerprint is None:
            raise DataMissing(self.missing)
        return dataset_digest(self.dataset, self.fingerprint)


def locate(
    levels: Iterable[Level], location: DataLocation, file: Path, download: bool, dividing: SeededSplit
) -> dict[object, LocatedData]:
    """Find, by `meaning`, each level's data set and what it holds; of those with equal configuration and content the first.

    Where a data set that can be downloaded is absent it is fetched (`download`), or said to be missing. Raises
    GridError for all others that are missing or cannot be used.
    """
    wrong: list[Placed] = []
    located: dict[object, LocatedData] = {}
    contents: dict[object, LocatedData] = {}
    for level in levels:
        if meaning(level.parts) in located:
            continue
        try:
            data = _located(level, location, download, dividing)
        except (DataError, UnknownComponent, BrokenComponent) as unusable:
            wrong += each_placed(unusable, level)
            continue
        content = meaning(level.parts) if data.fingerprint is None else data.digest
        located[meaning(level.parts)] = same = contents.setdefault(content, data)
        if _positive(same) != _positive(data):
            here, before = (_positive(one) or "not given" for one in (data, same))
            message = (
                f"positive is {here}, but {before} in an earlier level with the same data: a trial has one class of"
                " interest, so make two grids"
            )
            wrong.append((level.parts[0].at("positive"), message))
    if wrong:
        raise grid_error(file, wrong)
    return located


def _positive(data: LocatedData) -> str | None:
    return None if data.info is None else data.info.positive


def place_of(error: Exception, level: Level) -> At:
    """Return where the grid says what a data set could not do: the option that does not fit, else the path."""
    return level.parts[0].at(error.option if isinstance(error, UnfitOption) else "path")


def each_placed(error: Exception, level: Level) -> list[Placed]:
    """All that an error of a data set stands for, each where the grid says it."""
    return [(place_of(part, level), str(part)) for part in each_of(error)]


def _located(level: Level, location: DataLocation, download: bool, dividing: SeededSplit) -> LocatedData:
    dataset = cast(Dataset, level.config).located(location)
    data = LocatedData(level, dataset, None, None, None)
    can_download = type(dataset).fetch is not Dataset.fetch
    if can_download and download:
        dataset.fetch(location)
    try:
        plain = dataset.info(location)
        info, unsupported = dataset.under_options(plain), dataset.unsupported_reason(plain)
        task = task_of(info)
        if unsupported is None and task.target_shape(plain) != task.target_shape(info):
            unsupported = f"resize changes images, but the targets of {plain.name} are tied to their pixels"
        fingerprint, outline = dataset.fingerprint(location), dataset.outline(location)
        hashes = None if outline is None else hashes_at_hand(dataset, location, fingerprint)
        if outline is not None and unsupported is None:
            raise_all(split_faults(dataset, outline, dividing, hashes))
        data = replace(data, info=info, task=task, fingerprint=fingerprint, unsupported=unsupported)
        return replace(data, outline=outline, unread=outline is not None and hashes is None)
    except DataMissing as missing:
        if download or not can_download:
            raise
        return replace(data, missing=str(missing))
    except DataError as unfit:
        raise_all(with_split_faults(unfit, dataset, location, dividing))
        raise


# The models of a grid that read files: their weights found, checked and identified by content, or missing.

Changed = dict[str, Value]
"""The parameters of a model that finding its files has changed."""


class LocatedModels:
    """Levels of the model axis as they are on this machine. Those that read no file are as they stand in the grid."""

    def __init__(self, cells: Iterable[Axes], location: DataLocation, file: Path, download: bool) -> None:
        """download: fetch what is missing and can be downloaded. Raises GridError where weights cannot be used."""
        self._location = location
        self._file = file
        self._download = download
        self._known: dict[tuple[object, ...], Changed] = {}
        self._levels: dict[tuple[object, ...], Level] = {}
        self._digests: dict[tuple[object, ...], bytes] = {}
        self._missing: dict[str, None] = {}
        wrong: list[Placed] = []
        for axes in cells:
            for param_grid in [param_grid for entry in axes.model.entries for param_grid in entry.param_grids]:
                for part in param_grid if reads_files(param_grid.component) else ():
                    try:
                        self._changed(part)
                    except WeightsError as unusable:
                        wrong.append((part.at("weights"), str(unusable)))
        if wrong:
            raise grid_error(file, wrong)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there and would be downloaded."""
        return tuple(self._missing)

    @property
    def hides_differences(self) -> bool:
        """Whether weights of different names are the same, so that levels may come to the same cell."""
        return len(set(self._digests.values())) < len(self._digests)

    def of(self, level: Level) -> Level:
        """The level with its files found. Raises GridError where an override names weights that cannot be used."""
        part = level.parts[0]
        if not reads_files(part.component):
            return level
        key = part.texts
        if key not in self._levels:
            try:
                self._levels[key] = level.changed({part.component: self._changed(part)})
            except WeightsError as unusable:
                raise grid_error(self._file, [(part.at("weights"), str(unusable))]) from None
        return self._levels[key]

    def _changed(self, part: ComponentValues) -> Changed:
        if part.texts not in self._known:
            self._known[part.texts] = self._located(part)
        return self._known[part.texts]

    def _located(self, part: ComponentValues) -> Changed:
        model = cast(Model, part.build())
        if self._download:
            model.fetch(self._location)
        if missing := model.missing(self._location):
            self._missing[missing] = None
        located = model.located(self._location)
        self._digests[part.texts] = located.digest()
        # the text stays as it is in the grid: rules and labels go by it
        return {
            key: replace(value_of(located, key), text=value.text)
            for key, value in part.values.items()
            if getattr(located, key) != value.python
        }


def reads_files(component: type[Component]) -> bool:
    """Whether a model is another one once its files are found."""
    return issubclass(component, Model) and component.located is not Model.located
