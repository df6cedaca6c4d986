"""Components that exist by the dozen: one class of the same parameters under many names, `torchvision:resnet18`.

A folder in place of a file provides them: `models/torchvision/` holds one `ComponentFamily`, whose members are named
`torchvision:` and what the family knows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import new_class
from typing import ClassVar

from trainables.component import Component


class ComponentFamily(ABC):
    """Makes the components `prefix:member` of one kind."""

    kind: ClassVar[str]
    prefix: ClassVar[str]
    """The folder's name."""
    base: ClassVar[type[Component]]
    """The class of every member, but for its name. Its docstring and parameters stand for all of them in `orch list`."""

    @abstractmethod
    def members(self) -> Sequence[str]:
        """What may stand after the colon, sorted. May import what it wraps."""

    def member(self, name: str) -> type[Component]:
        """The component `prefix:name`; the same class each time. `name` is one of `members`."""
        if name not in self._made:
            self._made[name] = _named(self.base, f"{self.prefix}:{name}")
        return self._made[name]

    def alone(self) -> Mapping[str, type[Component]]:
        """Members with parameters of their own, by what stands after the colon: `orch list` tells of each by itself."""
        return {}

    @cached_property
    def _made(self) -> dict[str, type[Component]]:
        return {}


def _named(base: type[Component], name: str) -> type[Component]:
    class_name = f"{base.__name__}_{name.partition(':')[2]}".replace("-", "_")
    body = {
        "name": name,
        "__doc__": base.__doc__,
        "__module__": base.__module__,
        "__annotations__": {"name": ClassVar[str]},
        "__reduce__": _reduced,
    }
    return new_class(class_name, (base,), exec_body=lambda namespace: namespace.update(body))


def _reduced(component: Component) -> tuple[object, ...]:
    """Pickled by name: a class that stands in no file cannot be found by another process."""
    return _restored, (component.kind, component.name, component.model_dump_json())


def _restored(kind: str, name: str, parameters: str) -> Component:
    from trainables.registry import registry  # which imports this file

    return registry.get(kind, name).model_validate_json(parameters)
