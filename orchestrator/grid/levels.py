"""Levels of an axis, expanded lazily: a component with lists of values for its parameters, and their combinations.

A million levels cost what their values cost: a level is made when it is looked at, its digest is put together from
pieces, and its configuration is built when somebody asks for it.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from functools import cached_property
from hashlib import blake2b
from itertools import chain, product
from math import prod
from typing import Any

from clusters.yaml_file import At
from orchestrator.grid.values import Value, value_of
from trainables.component import Component
from trainables.spec import joined_digest

# Short names of levels, which tell the levels of an axis apart: `sgd(lr=0.1)`, `cnn(channels=8-16)`.

_SAFE_TEXT = re.compile(r"[\w./~@ -]+")
_NAMED = re.compile(r"[(,](\w+)=")


class Labels:
    """How the levels of one axis are called.

    Shown are the parameters that differ among the levels of the same component; where none differs, those that the grid
    gives. One that joined a component later is left out at its default: earlier results keep their labels. A level with a
    `display` is called so, with what differs among the levels of that name.
    """

    def __init__(self, param_grids: Iterable["ParameterGrid"]) -> None:
        self._shown: dict[type[Component], _Shown] = {}
        self._named: dict[type[Component], dict[str, _Named]] = {}
        grouped: dict[type[Component], list[ParameterGrid]] = {}
        for param_grid in param_grids:
            grouped.setdefault(param_grid.component, []).append(param_grid)
        for component, members in grouped.items():
            differing = _differing(members)
            given = {key: _texts(members, key) for member in members for key in member.given}
            self._shown[component] = {
                key: short_texts(texts) for key, texts in (differing or dict(sorted(given.items()))).items()
            }
            names = dict.fromkeys(member.display for member in members if member.display is not None)
            self._named[component] = {
                name: _Named([member for member in members if member.display == name]) for name in names
            }

    @property
    def displays(self) -> frozenset[str]:
        """The names that levels give themselves."""
        return frozenset(name for named in self._named.values() for name in named)

    def telling(self, part: "ComponentValues") -> list[str]:
        """The parameters that tell a part from all others of the axis."""
        named = self._named[part.component].get(self._display(part) or "")
        return list(self._shown[part.component].keys() | (set() if named is None else named.given))

    def of(self, part: "ComponentValues") -> str:
        """The label of a part."""
        component, values = part.component, part.values
        display = self._display(part)
        all_shown = self._shown[component] if display is None else self._named[component][display].shown
        shown = [
            f"{key}={texts[values[key].text]}"
            for key, texts in all_shown.items()
            if not _is_as_before(component, key, values[key])
        ]
        name = component.name if display is None else display
        return f"{name}({','.join(shown)})" if shown else name

    def _display(self, part: "ComponentValues") -> str | None:
        """An equal level that is written again without its name has it too."""
        named = self._named[part.component]
        return next((name for name, group in named.items() if group.holds(part)), part.display) if named else None


_Shown = dict[str, dict[str, str]]
"""Parameter to the JSON of each of its values to the short form."""


class _Named:
    """The levels that have one `display`."""

    def __init__(self, members: "list[ParameterGrid]") -> None:
        self._members = members
        self.shown: _Shown = {key: short_texts(texts) for key, texts in _differing(members).items()}
        self.given = frozenset(key for member in members for key in member.given)

    def holds(self, part: "ComponentValues") -> bool:
        return any(member.holds(part) for member in self._members)


def _differing(members: "list[ParameterGrid]") -> dict[str, dict[str, None]]:
    return {key: texts for key in members[0].values if len(texts := _texts(members, key)) > 1}


def shown_in(component: type[Component], values: dict[str, Value], label: str) -> list[str]:
    """The parameters that a label shows, where it is one of the component with these values; else none."""
    named = set(_NAMED.findall(label))
    keys = sorted(key for key in values if key in named)
    shown = ",".join(f"{key}={_formatted(json.loads(values[key].text))}" for key in keys)
    return keys if label == f"{component.name}({shown})" else []


def _is_as_before(component: type[Component], key: str, value: Value) -> bool:
    """Whether a value is the default, and no part of the identity."""
    return not value.identity and value.python == component.model_fields[key].get_default(
        call_default_factory=True, validated_data={}
    )


def _texts(param_grids: Iterable["ParameterGrid"], key: str) -> dict[str, None]:
    return dict.fromkeys(value.text for param_grid in param_grids for value in param_grid.values[key])


def short_texts(texts: Iterable[str]) -> dict[str, str]:
    """A short form of each JSON text, or the texts themselves where two short forms would be equal."""
    short = {text: _formatted(json.loads(text)) for text in texts}
    return short if len(set(short.values())) == len(short) else {text: text for text in short}


def _formatted(value: Any) -> str:
    match value:
        case bool() | None | dict():
            return json.dumps(value)
        case float():
            return repr(value).removesuffix(".0")
        case list():
            return "-".join(_formatted(item) for item in value) or "[]"
        case str() if not _SAFE_TEXT.fullmatch(value):
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


class ParameterGrid:
    """A component and the values of all its parameters: as many parts of levels as there are combinations."""

    def __init__(
        self,
        component: type[Component],
        given: dict[str, tuple[Value, ...]],
        base: Component,
        at: At,
        places: dict[str, At],
        display: str | None = None,
    ) -> None:
        """base: the component with the first of each given value. at, places: of the level and of each key.

        display: what its levels are called, if the grid says so.
        """
        self.component = component
        self.given = given
        self.at = at
        self.places = places
        self.display = display
        self.values: dict[str, tuple[Value, ...]] = {
            key: given[key] if key in given else (value_of(base, key),) for key in sorted(component.model_fields)
        }
        self._head, self._tail = _frame(base)
        first = ComponentValues(self, {key: values[0] for key, values in self.values.items()})
        self._composed = True
        self._composed = first.digest == base.digest()

    def __len__(self) -> int:
        return prod(len(values) for values in self.given.values())

    def __iter__(self) -> Iterator["ComponentValues"]:
        """Yield all combinations; the parameter that stands first in the grid changes slowest."""
        slow_first = [*self.given, *(key for key in self.values if key not in self.given)]
        for chosen in product(*(self.values[key] for key in slow_first)):
            yield ComponentValues(self, dict(zip(slow_first, chosen, strict=True)))

    def representatives(self, relevant: frozenset[str]) -> Iterator[tuple["ComponentValues", int]]:
        """Yield one part for all that agree on the relevant parameters, and how many they are."""
        choices = [values if key in relevant else values[:1] for key, values in self.values.items()]
        parts = prod(len(values) for values in choices)
        for chosen in product(*choices):
            yield ComponentValues(self, dict(zip(self.values, chosen, strict=True))), len(self) // parts

    def unique(self) -> "ParameterGrid":
        """Return the grid with equal values of a parameter kept once."""
        return self.having(
            {key: tuple({value.text: value for value in values}.values()) for key, values in self.values.items()}
        )

    def having(self, values: dict[str, tuple[Value, ...]]) -> "ParameterGrid":
        """Return the same grid with fewer values: some of each parameter's."""
        param_grid = copy(self)
        param_grid.values = values
        param_grid.given = {key: values[key] for key in self.given}
        return param_grid

    @property
    def first(self) -> dict[str, Any]:
        """The first value of each parameter, as the component's field holds it."""
        return {key: values[0].python for key, values in self.values.items()}

    def with_given(self, given: dict[str, tuple[Value, ...]]) -> "ParameterGrid":
        """Return the same component with other lists of values."""
        base = self.component.model_construct(
            **{**self.first, **{key: values[0].python for key, values in given.items()}}
        )
        return ParameterGrid(self.component, given, base, self.at, self.places, self.display)

    def overlaps(self, other: "ParameterGrid") -> bool:
        """Whether some combination is in both."""
        return self.component is other.component and all(
            {value.text for value in values} & {value.text for value in other.values[key]}
            for key, values in self.values.items()
        )

    def holds(self, part: "ComponentValues") -> bool:
        """Whether a combination is one of this grid's."""
        return self.component is part.component and all(
            any(value.text == part.values[key].text for value in values) for key, values in self.values.items()
        )

    def digest_of(self, part: "ComponentValues") -> bytes:
        """Equal to `digest()` of the part's component."""
        if not self._composed:  # a plug-in with a canonical form of its own
            return part.build().digest()
        pieces = [part.values[key].identity for key in self.values]
        canonical = f"{self._head}{','.join([piece for piece in pieces if piece])}{self._tail}"
        return blake2b(canonical.encode(), digest_size=16).digest()


def _frame(component: Component) -> tuple[str, str]:
    """What stands before and after the parameters in a component's canonical form."""
    canonical = component.canonical()
    opening, middle, _ = canonical.partition('"parameters":{')
    _, _, closing = canonical.rpartition('},"version"')
    return opening + middle, f'}},"version"{closing}'


class ComponentValues:
    """A component with one value for each parameter: a level, or one of several applied together."""

    __slots__ = ("_param_grid", "values")

    def __init__(self, param_grid: ParameterGrid, values: dict[str, Value]) -> None:
        self._param_grid = param_grid
        self.values = values

    @property
    def component(self) -> type[Component]:
        return self._param_grid.component

    @property
    def display(self) -> str | None:
        """What the grid calls it, if anything."""
        return self._param_grid.display

    @property
    def given(self) -> tuple[type[Component], dict[str, Value]]:
        """What it is, for `values.Remembered`."""
        return self._param_grid.component, self.values

    def at(self, key: str) -> At:
        """Where a parameter stands in the grid; the level's own place where it is not given."""
        return self._param_grid.places.get(key, self._param_grid.at)

    @property
    def digest(self) -> bytes:
        """Equal to `build().digest()`."""
        return self._param_grid.digest_of(self)

    @property
    def texts(self) -> tuple[type[Component] | str, ...]:
        """Equal for equal parts."""
        return (self.component, *[self.values[key].text for key in self._param_grid.values])

    def build(self) -> Component:
        """The validated configuration."""
        return self.component(**{key: value.python for key, value in self.values.items()})

    def changed(self, values: Mapping[str, Value]) -> "ComponentValues":
        """The same component with some values replaced."""
        return ComponentValues(self._param_grid, {**self.values, **values})


Parts = tuple[ComponentValues, ...]
"""A level's parts: one, or several regularizers applied together."""


def meaning(parts: Parts) -> tuple[object, ...]:
    """Equal for levels that mean the same: `none` among others is nothing."""
    return tuple(chain.from_iterable(part.texts for part in parts if part.component.name != "none"))


def acting(parts: Parts) -> Parts:
    """Those that do something; of a level of `none` alone that one."""
    return tuple(part for part in parts if part.component.name != "none") or parts[:1]


def label_of(parts: Parts, labels: Labels) -> str:
    """What a level of these parts is called."""
    return "+".join([labels.of(part) for part in acting(parts)])


class Level:
    """One level of an axis: one part, or for regularizers several applied together."""

    __slots__ = ("_combined", "_digest", "_labels", "at", "parts")

    def __init__(self, parts: Parts, labels: Labels, at: At) -> None:
        self.parts = parts
        self.at = at
        self._labels = labels
        self._digest: bytes | None = None
        self._combined: bytes | None = None

    @property
    def label(self) -> str:
        """Short, and different for each level of the axis."""
        return label_of(self.parts, self._labels)

    @property
    def configs(self) -> tuple[Component, ...]:
        """The validated configuration of each part."""
        return tuple(part.build() for part in self.parts)

    @property
    def config(self) -> Component:
        """The configuration of a level of one part."""
        return self.parts[0].build()

    @property
    def digest(self) -> bytes:
        """Of a level of one part: its component's `digest()`."""
        if self._digest is None:
            self._digest = self.parts[0].digest
        return self._digest

    @property
    def combined_digest(self) -> bytes:
        """Equal to `trainables.spec.combined_digest(configs)`."""
        if self._combined is None:
            self._combined = joined_digest(part.digest for part in self.parts if part.component.name != "none")
        return self._combined

    def changed(self, values: Mapping[type[Component], Mapping[str, Value]]) -> "Level":
        """The level with some parameters of some components set to other values."""
        parts = tuple(part.changed(values.get(part.component, {})) for part in self.parts)
        return Level(parts, self._labels, self.at)


class AxisEntry(Collection[Parts]):
    """An entry of an axis as the grid file has it: one parameter grid, or several regularizers applied together."""

    def __init__(self, param_grids: tuple[ParameterGrid, ...], at: At) -> None:
        self.param_grids = param_grids
        self.at = at

    def __len__(self) -> int:
        return prod(len(param_grid) for param_grid in self.param_grids)

    def __iter__(self) -> Iterator[Parts]:
        if len(self.param_grids) == 1:
            return ((part,) for part in self.param_grids[0])
        return product(*self.param_grids)

    def representatives(self, relevant: Mapping[type[Component], frozenset[str]]) -> Iterator[tuple[Parts, int]]:
        """One level for all that agree on the relevant parameters, and how many they are."""
        nothing: frozenset[str] = frozenset()
        choices = [
            list(param_grid.representatives(relevant.get(param_grid.component, nothing)))
            for param_grid in self.param_grids
        ]
        for chosen in product(*choices):
            yield tuple(part for part, _ in chosen), prod(count for _, count in chosen)

    def unique(self) -> "AxisEntry":
        """The entry with equal values of a parameter kept once."""
        return AxisEntry(tuple(param_grid.unique() for param_grid in self.param_grids), self.at)

    def overlaps(self, other: "AxisEntry") -> bool:
        """Whether some level is in both."""
        mine, others = self._acting, other._acting
        return len(mine) == len(others) and all(a.overlaps(b) for a, b in zip(mine, others, strict=True))

    def __contains__(self, parts: object) -> bool:
        return isinstance(parts, tuple) and self.holds(parts)

    def holds(self, parts: Parts) -> bool:
        """Whether a level is one of this entry's."""
        acting = [part for part in parts if part.component.name != "none"]
        return len(acting) == len(self._acting) and all(
            param_grid.holds(part) for param_grid, part in zip(self._acting, acting, strict=True)
        )

    @cached_property
    def _acting(self) -> tuple[ParameterGrid, ...]:
        return tuple(param_grid for param_grid in self.param_grids if param_grid.component.name != "none")
