"""Rules on cells: which cells a rule means, what it excludes and what it sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationInfo

from clusters.yaml_file import At, YamlList, YamlMapping, YamlText
from orchestrator.grid.axes import OfAxes, Reading, read_before, read_component
from orchestrator.grid.levels import ComponentValues, Labels, Level, ParameterGrid, meaning
from orchestrator.grid.mistakes import Gathering, Mistakes, each, mistake, near
from orchestrator.grid.settings import SECTIONS, Section, Setting, changed
from orchestrator.grid.values import Value, invalid_combination, others_of, split, validated, value_of
from trainables import AXES, LEARNING_AXES
from trainables.component import Component


@dataclass(frozen=True)
class Pattern:
    """A component and values of some of its parameters."""

    component: type[Component]
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    """JSON of the values that each named parameter may have."""

    def matches(self, part: ComponentValues) -> bool:
        return self.component is part.component and all(
            part.values[key].text in texts for key, texts in self.values.items()
        )

    def may_match(self, param_grid: ParameterGrid) -> bool:
        """Whether it matches some of a parameter grid's parts."""
        return self.component is param_grid.component and all(
            any(value.text in texts for value in param_grid.values[key]) for key, texts in self.values.items()
        )


@dataclass(frozen=True)
class AxisSelector:
    """Which levels of one axis a rule means."""

    patterns: tuple[Pattern, ...]
    together: bool = False
    """The patterns are those of a regularizer level's parts, one each. Otherwise any of them may match any part."""

    def matches(self, level: Level) -> bool:
        if self.together:
            return len(self.patterns) == len(level.parts) and all(
                pattern.matches(part) for pattern, part in zip(self.patterns, level.parts, strict=True)
            )
        return any(pattern.matches(part) for pattern in self.patterns for part in level.parts)


@dataclass(frozen=True)
class Selector:
    """Which cells a rule means: those whose levels match on every axis that it names."""

    axes: dict[str, AxisSelector]

    def matches(self, axis: str, level: Level) -> bool:
        """Whether a level is no reason for the rule not to hold."""
        return axis not in self.axes or self.axes[axis].matches(level)


@dataclass(frozen=True)
class Include:
    """Cells that are there even where they are excluded."""

    axes: dict[str, frozenset[object]]
    """For each axis the meanings of the levels."""

    def matches(self, axis: str, level: Level) -> bool:
        return meaning(level.parts) in self.axes[axis]


@dataclass(frozen=True)
class Exclude:
    """Cells that are skipped."""

    selector: Selector
    at: At
    name: str = ""
    """`exclude[0]`, as the skipped rows say."""


@dataclass(frozen=True)
class Override:
    """Cells for which something else holds than for the rest."""

    selector: Selector
    at: At
    settings: Mapping[str, Sequence[Setting]]
    """Of `protocol` and `resources`."""
    components: Mapping[str, Mapping[type[Component], Mapping[str, Value]]]
    """For an axis: the parameters that are set of each component."""
    name: str = ""


Rule = Exclude | Override


def mask(selectors: Sequence[Selector | Include], axis: str, level: Level) -> int:
    """One bit for each rule: whether this level leaves it standing. A cell is meant where all its levels do."""
    return sum(1 << bit for bit, selector in enumerate(selectors) if selector.matches(axis, level))


def ruled_on(rules: Iterable[Rule]) -> Iterator[tuple[type[Component], str]]:
    """The parameters that rules look at."""
    for rule in rules:
        for selected in rule.selector.axes.values():
            for pattern in selected.patterns:
                yield from ((pattern.component, key) for key in pattern.values)


def labels_of(reading: Reading, overrides: Iterable[Override]) -> dict[str, Labels]:
    """Labels that tell apart all levels of an axis, those that overrides make among them."""
    made = {axis: reading.param_grids(axis) for axis in AXES}
    for override in overrides:
        for axis, components in override.components.items():
            made[axis] += [
                param_grid.with_given({**param_grid.given, **{key: (value,) for key, value in values.items()}})
                for component, values in components.items()
                for param_grid in reading.param_grids(axis)
                if param_grid.component is component
            ]
    return {axis: Labels(given) for axis, given in made.items()}


def set_by(rules: Iterable[Rule]) -> dict[str, list[tuple[At, str]]]:
    """For parameters such as `optimizer.lr` the rules that set them: place and name."""
    found: dict[str, dict[tuple[At, str], None]] = {}
    for rule in rules:
        for axis, components in rule.components.items() if isinstance(rule, Override) else ():
            for key in {key for values in components.values() for key in values}:
                found.setdefault(f"{axis}.{key}", {})[rule.at, rule.name] = None
    return {name: list(places) for name, places in found.items()}


# Reading `exclude` and `overrides`: patterns of levels, and what is set where they match.


def read_pattern(axis: str, written: Any, param_grids: Sequence[ParameterGrid]) -> Pattern:
    """A name, or a mapping with values of some parameters. param_grids: those of the grid, beside which values are checked.

    Raises Mistakes.
    """
    component, parameters = read_component(axis, written)
    same = [param_grid for param_grid in param_grids if param_grid.component is component]
    values = {}
    with Gathering() as gathering:
        gathering.known(parameters, component.model_fields, f"parameter of {component.name}")
        for key in parameters.keys() & component.model_fields.keys():
            texts = []
            for value, at in split(component, key, parameters[key], parameters.places[key]):
                with gathering.below():
                    texts.append(_text(component, key, value, at, same))
            values[key] = frozenset(texts)
    return Pattern(component, {key: values[key] for key in parameters})


def _text(component: type[Component], key: str, value: Any, at: At, param_grids: Sequence[ParameterGrid]) -> str:
    """The JSON that a level's value has to equal. Raises Mistakes where it suits none of the parameter grids."""
    refused: Mistakes | None = None
    for others in [others_of(param_grid.values, key) for param_grid in param_grids] or [{}]:
        refused = None
        try:
            valid = validated(component, key, value, others, at, at)
        except Mistakes as wrong:
            refused = wrong
        else:
            if valid is not None:
                return value_of(valid, key).text
    if refused is not None:
        raise refused
    return ""


def _named(axis: str, written: Any, param_grids: Sequence[ParameterGrid]) -> Pattern:
    """What `read_pattern` reads, or the `display` of levels of the grid. Raises Mistakes."""
    levels = next((one for one in param_grids if isinstance(written, YamlText) and one.display == written), None)
    if levels is None:
        return read_pattern(axis, written, param_grids)
    if any(one.component.name == written and one.display != written for one in param_grids):
        message = f"{str(written)!r} is the display of one level and the component of another"
        raise mistake(f"{message}; name one by its parameters, or give that level another display")
    texts = {key: frozenset(value.text for value in values) for key, values in levels.values.items()}
    return Pattern(levels.component, texts)


def _axis_selector(written: Any, info: ValidationInfo) -> AxisSelector:
    axis = str(info.field_name)
    read = partial(_named, axis, param_grids=read_before(info).param_grids(axis))
    if not isinstance(written, YamlList):
        return AxisSelector((read(written),))
    if not written:
        raise mistake("an empty list matches nothing")
    return AxisSelector(tuple(each(read, enumerate(written))), together=axis == "regularizer")


class WrittenSelector(OfAxes[Annotated[AxisSelector, PlainValidator(_axis_selector)]]):
    """Axes and their levels, all of which have to match."""


def _selector(written: Any, info: ValidationInfo) -> Selector:
    read = WrittenSelector.model_validate(written, context=info.context)
    if not written:
        raise mistake("names no axis, so it would match every cell", named=True)
    return Selector({axis: getattr(read, axis) for axis in written})


SelectorField = Annotated[Selector, PlainValidator(_selector, json_schema_input_type=WrittenSelector)]


def _exclude(written: Any, info: ValidationInfo) -> Exclude:
    return Exclude(_selector(written, info), written.at)


ExcludeField = Annotated[Exclude, PlainValidator(_exclude, json_schema_input_type=WrittenSelector)]


_Settings = Annotated[
    dict[str, Any],
    Field(
        min_length=1,
        json_schema_extra={"propertyNames": {"pattern": f"^({'|'.join((*LEARNING_AXES, *SECTIONS))})\\."}},
    ),
]


def _settings(written: Any) -> YamlMapping:
    if not isinstance(written, YamlMapping) or not written:
        raise ValueError("it has to be a mapping with keys such as protocol.epochs or optimizer.lr")
    return written


class WrittenOverride(Section):
    """Other settings for some of the cells."""

    when: SelectorField
    """The cells."""
    set: Annotated[YamlMapping, PlainValidator(_settings, json_schema_input_type=_Settings)]
    """Dotted names and their values, such as protocol.epochs: 30."""


def _override(written: Any, info: ValidationInfo) -> Override:
    read = WrittenOverride.model_validate(written, context=info.context)
    if "deployment" in read.when.axes:
        message = "a deployment changes nothing of the training of the net that it is made of"
        raise mistake(f"{message}; name other axes in `when`, or give the deployment itself other parameters", "when")
    settings: dict[str, list[Setting]] = {}
    components: dict[str, dict[type[Component], dict[str, Value]]] = {}
    with Gathering() as gathering:
        for path, value in read.set.items():
            section, *keys = path.split(".")
            setting = Setting(tuple(keys), read.set.keys_at[path], value, read.set.places[path])
            with gathering.below():
                if section in SECTIONS and keys:
                    settings.setdefault(section, []).append(_setting(section, setting))
                elif section in LEARNING_AXES and len(keys) == 1:
                    for component, given in _parameter(section, setting, read.when, read_before(info)).items():
                        components.setdefault(section, {}).setdefault(component, {})[keys[0]] = given
                else:
                    hint = "protocol.epochs, resources.workers, model.width or optimizer.lr"
                    message = f"cannot set {path!r}; it sets keys such as {hint}"
                    raise mistake(message, at=setting.key_at, named=True)
        for section, changes in settings.items():
            with gathering.below():
                changed(section, read_before(info).root.get(section), changes)
    return Override(read.when, written.at, settings, components)


OverrideField = Annotated[Override, PlainValidator(_override, json_schema_input_type=WrittenOverride)]


def _setting(section: str, setting: Setting) -> Setting:
    known = list(SECTIONS[section].model_fields)
    if setting.keys[0] not in known:
        message = f"unknown key {setting.keys[0]!r} of {section}; {near(setting.keys[0], known)}"
        raise mistake(message, at=setting.key_at)
    return setting


def _parameter(axis: str, setting: Setting, selector: Selector, reading: Reading) -> dict[type[Component], Value]:
    """What is set of each component that the rule means."""
    (key,) = setting.keys
    selected = selector.axes.get(axis)
    meant = {pattern.component for pattern in selected.patterns} if selected else None
    param_grids = [
        param_grid for param_grid in reading.param_grids(axis) if meant is None or param_grid.component in meant
    ]
    having = [param_grid for param_grid in param_grids if key in param_grid.component.model_fields]
    lacking = sorted({param_grid.component.name for param_grid in param_grids if param_grid not in having})
    if lacking and (not having or axis != "regularizer"):
        fields = sorted({name for param_grid in param_grids for name in param_grid.component.model_fields})
        message = (
            f"sets {axis}.{key}, but {' and '.join(lacking)} has no parameter {key!r}; "
            f"narrow `when`, or: {near(key, fields)}"
        )
        raise mistake(message, at=setting.key_at, named=True)
    values: dict[type[Component], Value] = {}
    with Gathering() as gathering:
        for param_grid in having:
            with gathering.below():
                valid = validated(
                    param_grid.component,
                    key,
                    setting.value,
                    others_of(param_grid.values, key),
                    setting.at,
                    setting.at,
                )
                if valid is not None:
                    value = values[param_grid.component] = value_of(valid, key)
                    if reason := invalid_combination(param_grid.component, {**param_grid.values, key: (value,)}):
                        raise mistake(f"{param_grid.component.name}: {reason}", at=setting.key_at)
    return values
