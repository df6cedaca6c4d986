"""The data sets of a grid on this machine: where they lie, what they hold, and what of them is missing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, cast

from orchestrator.grid.levels import Level, meaning
from orchestrator.grid.nodes import At
from orchestrator.grid.problems import Problems
from trainables.data.cache import hashes_at_hand
from trainables.data.division import Dividing
from trainables.data.faults import split_faults, with_split_faults
from trainables.dataset import DataInfo, DataPlace, Dataset
from trainables.errors import DataError, DataMissing, UnfitOption, UnknownComponent, each_of, raise_all
from trainables.outline import Outline
from trainables.registry import registry
from trainables.spec import dataset_digest
from trainables.task import Task

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
    """Whether these are a user's own pictures, and none of them has been decoded so far."""
    unsupported: str | None = None
    """Why the options make no sense of this data: its cells are skipped for that."""

    @property
    def left_out(self) -> str | None:
        """What lies among the data and is not read, in a sentence; None where nothing does."""
        left = () if self.outline is None else self.outline.left_out
        if not left:
            return None
        told = ", ".join(f"{kind.files:,} {kind.what}" for kind in left[:_KINDS])
        rest = sum(kind.files for kind in left[_KINDS:])
        more = f" and {rest:,} of other kinds" if rest else ""
        return f"{self.level.label}: files that are not read as data: {told}{more} (such as {left[0].example})"

    @cached_property
    def digest(self) -> bytes:
        """Of configuration and content. Raises DataMissing."""
        if self.fingerprint is None:
            raise DataMissing(self.missing)
        return dataset_digest(self.dataset, self.fingerprint)


def locate(
    levels: Iterable[Level], place: DataPlace, file: Path, download: bool, dividing: Dividing
) -> dict[object, LocatedData]:
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
            data = _located(level, place, download, dividing)
        except (DataError, UnknownComponent) as unusable:
            add_each(problems, unusable, level)
            continue
        content = meaning(level.parts) if data.fingerprint is None else data.digest
        located[meaning(level.parts)] = contents.setdefault(content, data)
    problems.raise_if_any()
    return located


def place_of(error: Exception, level: Level) -> At:
    """Where the grid says what a data set could not do: the option that does not fit, else the path."""
    return level.parts[0].at(error.option if isinstance(error, UnfitOption) else "path")


def add_each(problems: Problems, error: Exception, level: Level) -> None:
    """Note all that an error of a data set stands for."""
    for part in each_of(error):
        problems.add(place_of(part, level), str(part))


def _located(level: Level, place: DataPlace, download: bool, dividing: Dividing) -> LocatedData:
    dataset = cast(Dataset, level.config).located(place)
    data = LocatedData(level, dataset, None, None, None)
    can_download = type(dataset).fetch is not Dataset.fetch
    if can_download and download:
        dataset.fetch(place)
    try:
        plain = dataset.info(place)
        info, unsupported = dataset.under_options(plain), dataset.supports(plain)
        task = cast(Task, registry.get("task", info.task)())
        fingerprint, outline = dataset.fingerprint(place), dataset.outline(place)
        hashes = None if outline is None else hashes_at_hand(dataset, place, fingerprint)
        if outline is not None and unsupported is None:
            raise_all(split_faults(dataset, outline, dividing, hashes))
        data = replace(data, info=info, task=task, fingerprint=fingerprint, unsupported=unsupported)
        return replace(data, outline=outline, unread=outline is not None and hashes is None)
    except DataMissing as missing:
        if download or not can_download:
            raise
        return replace(data, missing=str(missing))
    except DataError as unfit:
        raise_all(with_split_faults(unfit, dataset, place, dividing))
        raise
