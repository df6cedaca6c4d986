"""Names to components. The folders are the registry: a file `models/mlp.py` provides the model `mlp`.

A package outside adds its own under the entry-point groups `orch.datasets`, `orch.models`, `orch.optimizers`,
`orch.regularizers`, `orch.schedules` and `orch.tasks`: the entry's name is the component's, its value `module:Class`.
Only the component that is asked for is imported.
"""

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from trainables.component import Component
from trainables.errors import BrokenComponent, UnknownComponent

KINDS: Final = ("dataset", "model", "optimizer", "regularizer", "schedule", "task")


class Registry:
    """Finds components by kind and name."""

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted, without importing any of them."""
        return sorted({*_builtin(kind), *_plugins(kind)})

    @cache  # noqa: B019 - there is one registry for the life of the process
    def get(self, kind: str, name: str) -> type[Component]:
        """The component's class. Raises UnknownComponent (with near names) or BrokenComponent."""
        if name in _builtin(kind):
            return _from_file(kind, name)
        if name in _plugins(kind):
            return _from_entry_point(kind, _plugins(kind)[name])
        known = self.names(kind)
        raise UnknownComponent(kind, name, difflib.get_close_matches(name, known, n=2), known)


registry: Final = Registry()


@cache
def _builtin(kind: str) -> frozenset[str]:
    folder = Path(__file__).parent / f"{kind}s"
    return frozenset(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_"))


@cache
def _plugins(kind: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"orch.{kind}s")}


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


def _from_entry_point(kind: str, entry: EntryPoint) -> type[Component]:
    try:
        found = entry.load()
    except Exception as broken:  # whatever a plug-in's import raises, the user has to see which plug-in it was
        raise BrokenComponent(f"the {kind} {entry.name!r} ({entry.value}) cannot be imported: {broken!r}") from broken
    return _checked(kind, entry.name, found)


def _checked(kind: str, name: str, found: object) -> type[Component]:
    if not (isinstance(found, type) and issubclass(found, Component) and found.kind == kind and found.name == name):
        raise BrokenComponent(f"the {kind} {name!r} is provided by {found!r}, which is not a {kind} of that name")
    return found
