"""The models of a grid that read files: their weights found, checked and identified by content, or missing."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from orchestrator.grid.levels import Level, Part
from orchestrator.grid.parameters import Value, value_of
from orchestrator.grid.problems import Problems
from orchestrator.grid.spec import Axes
from trainables.component import Component
from trainables.dataset import DataPlace
from trainables.errors import WeightsError
from trainables.model import Model

Changed = dict[str, Value]
"""The parameters of a model that finding its files has changed."""


class LocatedModels:
    """Levels of the model axis as they are on this machine. Those that read no file are as they stand in the grid."""

    def __init__(self, cells: Iterable[Axes], place: DataPlace, file: Path, download: bool) -> None:
        """download: fetch what is missing and can be downloaded. Raises GridError where weights cannot be used."""
        self._place = place
        self._file = file
        self._download = download
        self._known: dict[tuple[object, ...], Changed] = {}
        self._levels: dict[tuple[object, ...], Level] = {}
        self._digests: dict[tuple[object, ...], bytes] = {}
        self._missing: dict[str, None] = {}
        problems = Problems(file)
        for axes in cells:
            for family in [family for entry in axes.model.entries for family in entry.families]:
                for part in family if reads_files(family.component) else ():
                    self._changed(part, problems)
        problems.raise_if_any()

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
            problems = Problems(self._file)
            changed = self._changed(part, problems)
            problems.raise_if_any()
            self._levels[key] = level.changed({part.component: changed})
        return self._levels[key]

    def _changed(self, part: Part, problems: Problems) -> Changed:
        if part.texts not in self._known:
            try:
                self._known[part.texts] = self._located(part)
            except WeightsError as unusable:
                problems.add(part.at("weights"), str(unusable))
                return {}
        return self._known[part.texts]

    def _located(self, part: Part) -> Changed:
        model = cast(Model, part.build())
        if self._download:
            model.fetch(self._place)
        if missing := model.missing(self._place):
            self._missing[missing] = None
        located = model.located(self._place)
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
