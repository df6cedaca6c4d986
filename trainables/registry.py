"""Names to components. The folders are the registry: a file `models/mlp.py` provides the model `mlp`, a folder
`models/torchvision/` the models `torchvision:NAME`.

A package outside adds its own under the entry-point groups `orch.datasets`, `orch.models`, `orch.optimizers`,
`orch.regularizers`, `orch.schedules`, `orch.tasks` and `orch.measurements`: the entry's name is the component's, its value
`module:Class`.
Only the component that is asked for is imported.
"""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import new_class
from typing import Any, ClassVar, Final

from pydantic import PlainSerializer, WithJsonSchema

from trainables.component import Component
from trainables.errors import BrokenComponent, UnknownComponent, bare

# Components that exist by the dozen: one class of the same parameters under many names, `torchvision:resnet18`.


class ComponentNamespace(ABC):
    """Makes the components `prefix:member` of one kind."""

    kind: ClassVar[str]
    prefix: ClassVar[str]
    """The folder's name."""
    base: ClassVar[type[Component]]
    """The class of every member, but for its name. Its docstring and parameters stand for all of them in `orch list`."""

    @abstractmethod
    def members(self) -> Sequence[str]:
        """Return what may stand after the colon, sorted. May import what it wraps."""

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
    return _restored, (component.role, component.name, component.model_dump_json())


def _restored(kind: str, name: str, parameters: str) -> Component:
    return registry.get(kind, name).model_validate_json(parameters)


def nested(kind: str, value: Any) -> Component:
    """A component that is a parameter of another, as a grid has it: a name, or a mapping with a name and parameters.

    Raises ValueError.
    """
    if isinstance(value, Component) and value.role == kind:
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError(f"a {kind} is a name, or a mapping with a name and parameters")
    try:
        component = registry.get(kind, value["name"])
    except UnknownComponent as unknown:
        raise ValueError(str(unknown)) from None
    return component.from_parameters({key: given for key, given in value.items() if key != "name"})


NESTED_SERIALIZER: Final = PlainSerializer(
    lambda component: {"name": component.name, **component.parameters()}, return_type=dict
)
"""Undoes `nested`."""
NESTED_SCHEMA: Final = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["name"]}]})


class Registry:
    """Finds components by kind and name."""

    def names(self, kind: str) -> list[str]:
        """Return all names of a kind, sorted, without importing any of them. Those of namespaces are not among them."""
        return sorted({*_builtin(kind), *_plugins(kind)})

    def built_in(self, kind: str) -> list[str]:
        """Return the names that are of this package, sorted."""
        return sorted(_builtin(kind))

    def is_built_in(self, kind: str, name: str) -> bool:
        """Whether a name is of this package, and of no plug-in."""
        return name in _builtin(kind)

    def namespaces(self, kind: str) -> list[ComponentNamespace]:
        """Return the namespaces of a kind, by prefix. Raises BrokenComponent."""
        return [_namespace(kind, prefix) for prefix in sorted(_folders(kind))]

    @cache  # noqa: B019 - there is one registry for the life of the process
    def get(self, kind: str, name: str) -> type[Component]:
        """The component's class. Raises UnknownComponent (with near names) or BrokenComponent."""
        if name in _builtin(kind):
            return _from_file(kind, name)
        if name in _plugins(kind):
            return _from_entry_point(kind, _plugins(kind)[name])
        prefix, colon, member = name.partition(":")
        if colon and prefix in _folders(kind):
            return _from_family(kind, prefix, member)
        known = [*self.names(kind), *(f"{folder}:NAME" for folder in sorted(_folders(kind)))]
        raise UnknownComponent(kind, name, known, elsewhere=_called_so(kind, name))


registry: Final = Registry()


@cache
def _builtin(kind: str) -> frozenset[str]:
    return frozenset(module.name for module in _modules(kind) if not module.ispkg)


@cache
def _folders(kind: str) -> frozenset[str]:
    return frozenset(module.name for module in _modules(kind) if module.ispkg)


def _modules(kind: str) -> list[pkgutil.ModuleInfo]:
    folder = Path(__file__).parent / f"{kind}s"
    return [module for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_")]


@cache
def _plugins(kind: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in _entry_points().select(group=f"orch.{kind}s")}


_entry_points: Final = cache(entry_points)
"""Those of all packages that are installed, whose files are read once for every kind."""


def _from_file(kind: str, name: str) -> type[Component]:
    module = import_module(f"trainables.{kind}s.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Component)
        and value.__module__ == module.__name__
        and getattr(value, "name", None) == name
    ]
    if len(found) != 1:
        raise BrokenComponent(f"{module.__file__} has to define one component named {name!r}, it defines {len(found)}")
    return _checked(kind, name, found[0])


@cache
def _namespace(kind: str, prefix: str) -> ComponentNamespace:
    module = import_module(f"trainables.{kind}s.{prefix}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ComponentNamespace)
        and getattr(value, "prefix", None) == prefix
    ]
    if len(found) != 1 or found[0].kind != kind:
        raise BrokenComponent(f"{module.__file__} has to hold one namespace of {kind}s with the prefix {prefix!r}")
    return found[0]()


def _from_family(kind: str, prefix: str, member: str) -> type[Component]:
    namespace = _namespace(kind, prefix)
    known = namespace.members()
    if member not in known:
        raise UnknownComponent(kind, member, known, f"{prefix}:", _called_so(kind, f"{prefix}:{member}"))
    return _checked(kind, f"{prefix}:{member}", namespace.member(member))


def _called_so(kind: str, name: str) -> list[str]:
    """Names that are this one, but for case, dashes and the prefix; those without a prefix first."""
    prefix, _, member = name.rpartition(":")
    if found := [known for known in registry.names(kind) if bare(known) == bare(member)]:
        return found
    members = ((folder, known) for folder in sorted(_folders(kind)) for known in _names_within(kind, folder))
    found = [f"{folder}:{known}" for folder, known in members if bare(known) == bare(member)]
    return [known for known in found if known.startswith(f"{prefix}:")] or found


def _names_within(kind: str, folder: str) -> Sequence[str]:
    """The members of a namespace, for a hint. A file `_FOLDER_names.py` beside the folder says them without importing what
    the namespace wraps.
    """
    light = f"trainables.{kind}s._{folder}_names"
    found: Sequence[str]
    found = _namespace(kind, folder).members() if find_spec(light) is None else import_module(light).names()
    return found


def _from_entry_point(kind: str, entry: EntryPoint) -> type[Component]:
    try:
        found = entry.load()
    except Exception as broken:  # whatever a plug-in's import raises, the user has to see which plug-in it was
        raise BrokenComponent(f"the {kind} {entry.name!r} ({entry.value}) cannot be imported: {broken!r}") from broken
    return _checked(kind, entry.name, found)


def _checked(kind: str, name: str, found: object) -> type[Component]:
    if not (isinstance(found, type) and issubclass(found, Component) and found.role == kind and found.name == name):
        raise BrokenComponent(f"the {kind} {name!r} is provided by {found!r}, which is not a {kind} of that name")
    return found
