"""The values that a grid gives to a component's parameters: which are lists, and each one validated where it stands."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from itertools import product
from types import UnionType, new_class
from typing import Annotated, Any, Final, Generic, TypeVar, Union, cast, get_args, get_origin

from pydantic import ValidationError

from clusters.yaml_file import At, YamlList
from orchestrator.grid.mistakes import as_mistakes, flattened
from trainables.component import Component

_LISTS: Final = (tuple, list, set, frozenset, Sequence)


@dataclass(frozen=True, slots=True)
class Value:
    """One validated value of one parameter."""

    python: Any
    """As the component's field holds it."""
    identity: str
    """`"key":value` as it stands in the component's canonical form; empty where it is left out of it."""
    text: str
    """JSON of the value: equal for equal values."""


def value_of(component: Component, key: str) -> Value:
    """The value that a component has for a parameter."""
    text = json_of(component.parameters()[key])
    identity = json.loads(component.canonical()).get("parameters", {})
    return Value(getattr(component, key), f'"{key}":{json_of(identity[key])}' if key in identity else "", text)


def split(component: type[Component], key: str, value: Any, at: At) -> list[tuple[Any, At]]:
    """What the user wrote for a parameter, as one value for each level that it stands for, with its place.

    A list given to a parameter of one value is a level for each entry; where the parameter is itself a list, only a
    list of lists is. An empty list, which would be no level at all, is left for validation to refuse.
    """
    annotation = component.model_fields[key].annotation
    if isinstance(value, YamlList) and value and _depth(value) > list_depth(annotation):
        return list(zip(value, value.places, strict=True))
    return [(value, at)]


def list_depth(annotation: Any) -> int:
    """How deep lists are nested in values of this type: 0 for `float`, 1 for `tuple[int, ...]` and for `int | list`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return list_depth(arguments[0])
    if origin in (Union, UnionType):
        return max(list_depth(argument) for argument in arguments)
    if annotation in _LISTS:
        return 1
    if origin in _LISTS:
        return 1 + max((list_depth(argument) for argument in arguments if argument is not Ellipsis), default=0)
    return 0


def others_of(values: Mapping[str, Sequence[Value]], key: str) -> dict[str, Any]:
    """The first value of every parameter but one, as JSON: what that one is validated beside."""
    return {name: json.loads(given[0].text) for name, given in values.items() if name != key}


def holds_whole_numbers(component: type[Component], key: str) -> bool:
    """Whether a parameter takes whole numbers and no fractions."""
    kinds = _kinds(component.model_fields[key].annotation)
    return int in kinds and float not in kinds


def _kinds(annotation: Any) -> set[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(arguments[0])
    if origin in (Union, UnionType):
        return {kind for argument in arguments for kind in _kinds(argument)}
    return {annotation}


def _depth(value: Any) -> int:
    return 1 + max(map(_depth, value), default=0) if isinstance(value, YamlList) else 0


def validated(
    component: type[Component], key: str, value: Any, others: dict[str, Any], at: At, level: At | None
) -> Component | None:
    """The component with this value and the other parameters; None where another is not valid, which is reported there.

    at, level: the places of the value and of its level. Raises Mistakes with what is wrong with this value, or with
    valid values together (not where there is no `level`).
    """
    try:
        return component.from_parameters({**others, key: value})
    except ValidationError as error:
        errors = list(flattened(error))
    own = [details for details in errors if details["loc"][:1] == (key,)]
    together = [details for details in errors if not details["loc"]]
    if own:
        for details in own:
            details["loc"] = details["loc"][1:]
        raise as_mistakes(own, value, at, key)
    if together and level is not None:
        raise as_mistakes(together, None, level, component.name)
    return None


def json_of(value: Any) -> str:
    """JSON of a parameter's value: equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


# Functions of a component, called once for each combination of the parameters that they look at.

Result = TypeVar("Result")

_READS_NOTHING: Final = frozenset({"__class__", "role", "name", "version"})


Given = tuple[type[Component], Mapping[str, Value]]
"""A component and the values of all its parameters."""
_Reads = tuple[tuple[str, ...], ...]
"""Names of parameters, for each component."""


class Remembered(Generic[Result]):
    """A deterministic function of one or more components, and its results by what it read."""

    def __init__(self, function: Callable[..., Result]) -> None:
        self._function = function
        self._results: dict[tuple[type[Component], ...], dict[_Reads, dict[tuple[str, ...], Result]]] = {}

    def __call__(self, *given: Given) -> Result:
        """The function's result for components with these values."""
        known = self._results.setdefault(tuple([component for component, _ in given]), {})
        for reads, results in known.items():
            key = _key(given, reads)
            if key in results:
                return results[key]
        result, reads = self._called(given)
        known.setdefault(reads, {})[_key(given, reads)] = result
        return result

    def reads(self, component: type[Component]) -> frozenset[str]:
        """All parameters of a component that any call has looked at so far."""
        return frozenset(
            name
            for components, known in self._results.items()
            for reads in known
            for one, names in zip(components, reads, strict=True)
            if one is component
            for name in names
        )

    def _called(self, given: Sequence[Given]) -> tuple[Result, _Reads]:
        instances, records = [], []
        for component, values in given:
            recording, recorded = _recording(component)
            instances.append(recording.model_construct(**{name: value.python for name, value in values.items()}))
            records.append(recorded)
        for recorded in records:
            recorded.clear()
        result = self._function(*instances)
        return result, tuple(tuple(sorted(recorded)) for recorded in records)


def _key(given: Sequence[Given], reads: _Reads) -> tuple[str, ...]:
    return tuple([values[name].text for (_, values), names in zip(given, reads, strict=True) for name in names])


@cache
def _recording(component: type[Component]) -> tuple[type[Component], set[str]]:
    """A subclass that records which parameters are read of its instances, and where it records them."""
    fields = frozenset(component.model_fields)
    reads_all = frozenset(dir(Component)) - _READS_NOTHING
    recorded: set[str] = set()

    def getattribute(self: Component, name: str) -> Any:
        if name in fields:
            recorded.add(name)
        elif name in reads_all:
            recorded.update(fields)
        return super(recording, self).__getattribute__(name)

    body = {"__getattribute__": getattribute, "__module__": component.__module__}
    recording = cast(
        type[Component], new_class(component.__name__, (component,), exec_body=lambda space: space.update(body))
    )
    return recording, recorded


def invalid_combination(component: type[Component], values: Mapping[str, Sequence[Value]]) -> str | None:
    """What a component's own rules on several parameters say of the first combination that breaks them, or None.

    Each value is valid by itself. Only combinations of those parameters are tried that the rules look at.
    """
    rules = list(component.__pydantic_decorators__.model_validators.values())
    if not rules:
        return None
    if any(rule.info.mode != "after" or len(signature(rule.func).parameters) != 1 for rule in rules):
        return _first_failure(lambda chosen: _constructed(component, chosen), _combinations(values, frozenset(values)))
    broken = Remembered(lambda instance: _broken_rule([rule.func for rule in rules], instance))
    seen: frozenset[str] | None = None
    while seen != broken.reads(component):
        seen = broken.reads(component)
        if reason := _first_failure(lambda chosen: broken((component, chosen)), _combinations(values, seen)):
            return reason
    return None


def _combinations(values: Mapping[str, Sequence[Value]], varied: frozenset[str]) -> Iterator[dict[str, Value]]:
    choices = [given if key in varied else given[:1] for key, given in values.items()]
    return (dict(zip(values, chosen, strict=True)) for chosen in product(*choices))


def _first_failure(
    check: Callable[[dict[str, Value]], str | None], combinations: Iterator[dict[str, Value]]
) -> str | None:
    return next((reason for chosen in combinations if (reason := check(chosen))), None)


def _broken_rule(rules: Sequence[Callable[[Any], Any]], instance: Component) -> str | None:
    try:
        for rule in rules:
            rule(instance)
    except (ValueError, AssertionError) as broken:
        return str(broken)
    return None


def _constructed(component: type[Component], chosen: Mapping[str, Value]) -> str | None:
    try:
        component(**{key: value.python for key, value in chosen.items()})
    except ValidationError as broken:
        return "; ".join(details["msg"].removeprefix("Value error, ") for details in broken.errors())
    return None
