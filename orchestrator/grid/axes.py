"""The levels of each axis as they are written, under `axes` and in each cell of `include`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast

from pydantic import PlainValidator, ValidationInfo, model_validator

from clusters.yaml_file import At, YamlList, YamlMapping, YamlText
from orchestrator.grid.components import read_entry
from orchestrator.grid.levels import AxisEntry, Labels, ParameterGrid
from orchestrator.grid.mistakes import each, mistake
from orchestrator.grid.settings import Section
from trainables import AXES

Read = TypeVar("Read")
Entries = Mapping[str, tuple[AxisEntry, ...]]
"""What stands under each axis."""


class OfAxes(Section, Generic[Read]):
    """Something for each axis that is named."""

    noun: ClassVar[str] = "axis"
    dataset: Read = cast(Any, None)
    model: Read = cast(Any, None)
    optimizer: Read = cast(Any, None)
    regularizer: Read = cast(Any, None)


@dataclass
class Reading:
    """What of a file was read so far, beside which the sections further down are checked."""

    root: YamlMapping
    """The whole file as it is written."""
    entries: dict[str, list[AxisEntry]] = field(default_factory=lambda: {axis: [] for axis in AXES})
    """Those under `axes` and `include` with which nothing is wrong."""
    set_by: dict[str, list[tuple[At, str]]] = field(default_factory=dict)
    """For parameters such as `optimizer.lr` the rules that set them: place and name."""
    labels: Mapping[str, Labels] | None = None
    """Of all levels; None where something is wrong with some."""

    def param_grids(self, axis: str) -> list[ParameterGrid]:
        """All components that stand on an axis, with their values."""
        return [param_grid for entry in self.entries[axis] for param_grid in entry.param_grids]


def read_before(info: ValidationInfo) -> Reading:
    """The context in which a file is read."""
    assert isinstance(info.context, Reading)
    return info.context


def _levels(written: Any, info: ValidationInfo) -> tuple[AxisEntry, ...]:
    read = partial(_entry, str(info.field_name), read_before(info))
    if written is None or written == []:
        raise mistake(f"the axis {info.field_name} has no levels; write at least one", of_key=True)
    return tuple(each(read, enumerate(written))) if isinstance(written, YamlList) else (read(written),)


def _together(written: Any, info: ValidationInfo) -> tuple[AxisEntry, ...]:
    """Of a whole cell, where a flat list of regularizers is one level of several together."""
    if isinstance(written, YamlList) and written and not any(isinstance(item, YamlList) for item in written):
        return (_entry(str(info.field_name), read_before(info), written),)
    return _levels(written, info)


def _entry(axis: str, reading: Reading, written: Any) -> AxisEntry:
    entry = read_entry(axis, written)
    reading.entries[axis].append(entry)
    return entry


Levels = Annotated[tuple[AxisEntry, ...], PlainValidator(_levels)]


class WrittenAxes(Section):
    """The factors of the grid; each combination of their levels is a cell."""

    noun: ClassVar[str] = "axis"
    lacking: ClassVar[Mapping[str, str]] = {axis: f"the axis {axis}" for axis in AXES}
    dataset: Levels
    model: Levels
    optimizer: Levels
    regularizer: Levels = ()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """The level of the axis that need not be named."""
        if isinstance(given, YamlMapping) and "regularizer" not in given:
            return {**given, "regularizer": YamlText("none", given.at)}
        return given

    @property
    def entries(self) -> Entries:
        return {axis: getattr(self, axis) for axis in AXES}


class WrittenCell(WrittenAxes):
    """A whole cell, or the product of several levels."""

    regularizer: Annotated[tuple[AxisEntry, ...], PlainValidator(_together)] = ()
