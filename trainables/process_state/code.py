"""Functions and classes of torch, of numpy, of Python and of this package, which a trial may have put others in place of."""

import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any, Final

import numpy as np
import torch

from trainables.process_state.change import After, Change, Watch
from trainables.process_state.compiler import is_its_name
from trainables.process_state.late_compiler import is_disabled

_WATCHED: Final = (
    "builtins",
    "math",
    "numpy",
    "numpy.linalg",
    "numpy.random",
    "random",
    "time",
    "torch",
    "torch._C._nn",
    "torch._tensor",
    "torch.autograd",
    "torch.autograd.function",
    "torch.linalg",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.modules.module",
    "torch.nn.parameter",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.optim.optimizer",
    "torch.random",
    "torch.special",
)
_OWN: Final = "trainables"
_CLASSES_OF: Final = ("torch.nn", "torch.optim", "torch.autograd", _OWN)
"""Modules whose classes are looked into, beside the tensor. torch has 50 more, one for each old type of tensor, of 742
methods each."""


class Code(Watch):
    """All of it as it is when this is made; modules that are loaded later, as they are when they are first seen."""

    def __init__(self) -> None:
        self._owners: dict[str, _Owner] = {}
        self._loaded = 0
        self._seen = _Seen(())
        self._see_what_was_loaded()

    def begin(self) -> None:
        self._see_what_was_loaded()

    def settle(self) -> Iterator[Change]:
        if not self._seen.is_so_still():
            for name, owner in self._owners.items():
                for attribute in owner.changed():
                    owner.put_back(attribute)
                    yield Change(f"changed {name}.{attribute}", After.REPLACE)
            self._see_again()
        self._see_what_was_loaded()

    def _see_what_was_loaded(self) -> None:
        if len(sys.modules) == self._loaded:
            return
        self._loaded, known = len(sys.modules), len(self._owners)
        for name, module in list(sys.modules.items()):
            if name in _WATCHED or name.partition(".")[0] == _OWN:
                self._see(name, module)
        if len(self._owners) > known:
            self._see_again()

    def _see(self, name: str, module: ModuleType) -> None:
        if name in self._owners:
            return
        self._owners[name] = _Owner(module)
        for value in list(vars(module).values()):
            if isinstance(value, type) and _is_looked_into(value):
                self._owners.setdefault(f"{value.__module__}.{value.__qualname__}", _Owner(value))

    def _see_again(self) -> None:
        self._seen = _Seen(tuple(owner.namespace for owner in self._owners.values()))


class _Seen:
    """What every name of all namespaces stands for, compared as one piece of memory: mostly all is as it was."""

    def __init__(self, namespaces: tuple[Mapping[str, Any], ...]) -> None:
        self._views = tuple(namespace.values() for namespace in namespaces)
        self._count = sum(map(len, self._views))
        self._objects = self._now()
        """Held: nothing else may come to lie where one of them lies."""
        self._pointers = self._objects.tobytes()

    def is_so_still(self) -> bool:
        return sum(map(len, self._views)) == self._count and self._now().tobytes() == self._pointers

    def _now(self) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
        """An array of objects is one of pointers: a wrapper may say that it equals what it wraps, and lies elsewhere."""
        return np.fromiter(chain.from_iterable(self._views), dtype=object, count=self._count)


class _Owner:
    """A module or a class, and what its names stood for."""

    __slots__ = ("_before", "_grows", "_names", "_owner", "namespace")

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self.namespace: Mapping[str, Any] = vars(owner)
        self._grows = isinstance(owner, ModuleType)
        """Whether names may join: a module gets its submodules. One of a class hides its parent's."""
        kept = [name for name in self.namespace if not (self._grows and is_its_name(name))]
        self._names, self._before = tuple(kept), tuple(self.namespace[name] for name in kept)

    def changed(self) -> list[str]:
        """Names that stand for something else. Values that are no code may be another: caches, counters."""
        names = zip(self._names, self._before, strict=True)
        return [*(name for name, before in names if self._is_other(name, before)), *self._joined()]

    def put_back(self, name: str) -> None:
        if name in self._names:
            setattr(self._owner, name, self._before[self._names.index(name)])
        else:
            delattr(self._owner, name)

    def _joined(self) -> list[str]:
        if self._grows:
            return []
        new = [(name, value) for name, value in self.namespace.items() if name not in self._names]
        return [name for name, value in new if _is_code(value) and not _is_hooked(value)]

    def _is_other(self, name: str, before: Any) -> bool:
        now = self.namespace.get(name)
        return now is not before and _is_code(before) and not _is_hooked(now, before)


def _is_looked_into(owner: type) -> bool:
    return owner is torch.Tensor or (owner.__module__ or "").startswith(_CLASSES_OF)


def _is_code(value: object) -> bool:
    return callable(value) or isinstance(value, FunctionType | staticmethod | classmethod | property | ModuleType)


def _is_hooked(now: object, before: object = None) -> bool:
    """torch itself wraps the `step` of an optimizer's class, when the first one of it is made, and functions such as
    `torch.manual_seed` when its compiler is imported.
    """
    if not (isinstance(now, FunctionType) and (getattr(now, "hooked", False) or is_disabled(now))):
        return False
    return before is None or getattr(now, "__wrapped__", None) is before
