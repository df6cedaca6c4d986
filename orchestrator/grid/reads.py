"""Functions of a component, called once for each combination of the parameters that they look at.

A grid can hold a million levels that differ in parameters of no interest to `supports`. What a function looks at is
recorded while it runs: it comes to the same end for every component that agrees on that.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from inspect import signature
from itertools import product
from types import new_class
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import ValidationError

from orchestrator.grid.parameters import Value
from trainables.component import Component

Result = TypeVar("Result")

_READS_NOTHING: Final = frozenset({"__class__", "kind", "name", "version"})


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
