"""The levels of each axis as they are written, under `axes` and in each cell of `include`.

A level is a component as the user wrote it: a name, or a mapping with a name and parameters.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar, cast

from pydantic import PlainValidator, ValidationError, ValidationInfo, model_validator

from clusters.yaml_file import At, YamlList, YamlMapping, YamlText
from orchestrator.grid.display import KEY, read_display
from orchestrator.grid.levels import AxisEntry, Labels, ParameterGrid
from orchestrator.grid.mistakes import Gathering, Mistake, as_mistakes, each, flattened, mistake, shown
from orchestrator.grid.settings import Section
from orchestrator.grid.values import Value, invalid_combination, split, validated, value_of
from trainables import AXES
from trainables.component import Component
from trainables.errors import UnknownComponent
from trainables.interfaces import Deployment
from trainables.registry import registry


def read_entry(axis: str, written: Any) -> AxisEntry:
    """An entry of an axis. Raises Mistakes."""
    if axis != "regularizer" or not isinstance(written, YamlList):
        param_grid = read_param_grid(axis, written)
        return AxisEntry((param_grid,), param_grid.at)
    if not written:
        raise mistake("an empty list of regularizers; write none")
    param_grids = each(partial(read_param_grid, axis), enumerate(written))
    counts = Counter(param_grid.component.name for param_grid in param_grids)
    with Gathering() as gathering:  # of two dropouts together the one would undo the other in silence
        for name in sorted(name for name, count in counts.items() if count > 1 and name != "none"):
            gathering.add(Mistake(f"{name} appears twice among the regularizers of one level; keep one"))
    return AxisEntry(tuple(param_grids), written.at)


def read_component(kind: str, written: Any) -> tuple[type[Component], YamlMapping]:
    """The component that is named, and its parameters as they stand. Raises Mistakes."""
    match written:
        case YamlText():
            name, parameters = written, YamlMapping(written.at)
        case YamlMapping() if isinstance(written.get("name"), YamlText):
            name, parameters = written["name"], written.without("name")
        case YamlMapping() if "name" in written:
            raise mistake(f"the name of {_one(kind)} has to be text", "name")
        case YamlMapping():
            raise mistake(f"{_one(kind)} written as a mapping needs the key name")
        case _:
            raise mistake(f"{_one(kind)} has to be a name or a mapping with a name, not {shown(written)}")
    try:
        return registry.get(kind, str(name)), parameters
    except UnknownComponent as unknown:
        raise mistake(unknown.__str__, at=name.at) from None


def _one(kind: str) -> str:
    return f"an {kind}" if kind == "optimizer" else f"a {kind}"


def read_param_grid(kind: str, written: Any) -> ParameterGrid:
    """A component with all values of its parameters, each validated where it stands. Raises Mistakes."""
    component, parameters = read_component(kind, written)
    fields = component.model_fields
    display = read_display(kind, component, written) if kind in AXES else None
    if display is not None:
        parameters = parameters.without(KEY)
    missing = [key for key, field in fields.items() if field.is_required() and key not in parameters]
    with Gathering() as gathering:
        gathering.known(parameters, fields, f"parameter of {component.name}")
        if missing:
            gathering.add(Mistake(f"{component.name} needs {' and '.join(missing)}"))
        else:
            with gathering.below():
                given = _values(component, parameters.without(*(parameters.keys() - fields.keys())), written)
    places = written.keys_at if isinstance(written, YamlMapping) else {}
    param_grid = ParameterGrid(component, given, _base(component, given, written), written.at, places, display)
    if reason := invalid_combination(component, param_grid.values):
        raise mistake(f"{component.name}: {reason}")
    return param_grid


def _values(
    component: type[Component], parameters: YamlMapping, level: YamlText | YamlMapping
) -> dict[str, tuple[Value, ...]]:
    written = {key: split(component, key, value, parameters.places[key]) for key, value in parameters.items()}
    first = {key: values[0][0] for key, values in written.items()}
    given: dict[str, tuple[Value, ...]] = {}
    with Gathering() as gathering:
        for key, values in written.items():
            others = {name: value for name, value in first.items() if name != key}
            valid = []
            for value, at in values:
                with gathering.below():
                    valid.append(validated(component, key, value, others, at, level.at))
            given[key] = tuple(value_of(one, key) for one in valid if one is not None)
    return given


def _base(component: type[Component], given: dict[str, tuple[Value, ...]], level: YamlText | YamlMapping) -> Component:
    """The component with the first of each value; what is wrong with them together is raised."""
    try:
        return component(**{key: values[0].python for key, values in given.items()})
    except ValidationError as error:
        raise as_mistakes(flattened(error), None, level.at, component.name) from None


Read = TypeVar("Read")
Entries = Mapping[str, tuple[AxisEntry, ...]]
"""What stands under each axis."""


class OfAxes(Section, Generic[Read]):
    """Something for each axis that is named."""

    noun: ClassVar[str] = "axis"
    dataset: Read = cast(Any, None)
    """Data sets, by name or as a mapping with a name and parameters; any if it is not named."""
    model: Read = cast(Any, None)
    """Models, in the same way."""
    optimizer: Read = cast(Any, None)
    """Optimizers, in the same way."""
    regularizer: Read = cast(Any, None)
    """Regularizers, in the same way."""
    deployment: Read = cast(Any, None)
    """What is made of the trained nets, in the same way."""


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


def _with_rivals(entries: tuple[AxisEntry, ...], info: ValidationInfo) -> tuple[AxisEntry, ...]:
    """Of deployments that mean little by themselves, the levels that they have to be compared with too."""
    rivals = []
    for entry in entries:
        (param_grid,) = entry.param_grids
        if given := cast(type[Deployment], param_grid.component).rival:
            base = param_grid.component.model_validate({**dict(param_grid.first), **given})
            values = {**param_grid.given, **{key: (value_of(base, key),) for key in given}}
            rivals.append(AxisEntry((param_grid.with_given(values),), entry.at))
    for rival in rivals:
        read_before(info).entries["deployment"].append(rival)
    return (*entries, *rivals)


def _with_parents(written: Any, info: ValidationInfo) -> tuple[AxisEntry, ...]:
    """Of deployments, which are made of trained nets: where the grid does not name these, they are planned all the same."""
    entries = _with_rivals(_levels(written, info), info)
    if any(param_grid.component.name == "none" for entry in entries for param_grid in entry.param_grids):
        return entries
    at = written.at if isinstance(written, YamlText | YamlMapping | YamlList) else entries[0].at
    return (_entry("deployment", read_before(info), YamlText("none", at)), *entries)


Levels = Annotated[tuple[AxisEntry, ...], PlainValidator(_levels)]
_OPTIONAL: Final = ("regularizer", "deployment")


class WrittenAxes(Section):
    """The factors of the grid; each combination of their levels is a cell."""

    noun: ClassVar[str] = "axis"
    lacking: ClassVar[Mapping[str, str]] = {axis: f"the axis {axis}" for axis in AXES}
    dataset: Levels
    """Data sets: `orch list dataset`, and the options that all of them take."""
    model: Levels
    """Models: `orch list model`."""
    optimizer: Levels
    """Optimizers: `orch list optimizer`."""
    regularizer: Levels = ()
    """Regularizers, or lists of some that are applied together: `orch list regularizer`; `none` when not given."""
    deployment: Annotated[tuple[AxisEntry, ...], PlainValidator(_with_parents)] = ()
    """What is made of each trained net, beside the net itself: `orch list deployment`."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """The levels of the axes that need not be named."""
        if isinstance(given, YamlMapping):
            return {**{axis: YamlText("none", given.at) for axis in _OPTIONAL if axis not in given}, **given}
        return given

    @property
    def entries(self) -> Entries:
        return {axis: getattr(self, axis) for axis in AXES}


class WrittenCell(WrittenAxes):
    """A whole cell, or the product of several levels."""

    regularizer: Annotated[tuple[AxisEntry, ...], PlainValidator(_together)] = ()
