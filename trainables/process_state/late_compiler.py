"""torch's compiler stays out of a process that compiles nothing, where it would take a second to import, and 73 MB.

Some functions of torch import `torch._dynamo` whenever they are called, only to have the compiler keep out of them: the
methods of `torch.optim.Optimizer`, the `step` of most optimizers, what `torch.utils.flop_counter` does at each operator. As
long as nothing has imported it, nothing can be under way that they would have to keep out of.

`torch.use_deterministic_algorithms` imports it too, to tell it what it is called for: `precision` has another way.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from types import CodeType, ModuleType
from typing import Any, Final

import torch
from torch.optim import optimizer  # torch removes the name from its package, and the module stays
from torch.utils import flop_counter

_COMPILER: Final = "torch._dynamo"
_DISABLED: Final = "__dynamo_disable"
"""The attribute in which torch keeps a function as the compiler's `disable` returns it, from its first call on."""
_OF_STEP: Final = frozenset(
    {_COMPILER, "cast", "Optimizer", "is_grad_enabled", "set_grad_enabled", "defaults", "_dynamo", "graph_break"}
)
"""All that the wrapper of a `step` mentions. One that mentions anything else does more than `_without_graph_breaks`."""

_Function = Callable[..., Any]


def put_off_compiler() -> None:
    """Have torch import its compiler when something is compiled, and not before. To be called before a process's state is
    taken, as often as one likes.

    Functions are recognised by their code: a torch that has others in their place stays as it is, and imports it early.
    """
    if _COMPILER in sys.modules:
        return
    step = _code_of(getattr(optimizer, "_use_grad_for_differentiable", None))
    if step is not None and not _OF_STEP.issuperset(step.co_names):
        step = None
    for owner in _classes(torch.optim, optimizer, flop_counter):
        for name, function in list(vars(owner).items()):
            if is_disabled(function):
                _undisabled(function)
            elif step is not None and getattr(function, "__code__", None) is step:
                setattr(owner, name, _without_graph_breaks(function))


def is_disabled(function: object) -> bool:
    """Whether torch has wrapped it to keep the compiler out. The import of the compiler itself does that to some."""
    return _DISABLED_CODE is not None and getattr(function, "__code__", None) is _DISABLED_CODE


def _code_of(wrapper: Callable[[_Function], _Function] | None) -> CodeType | None:
    """The code that all functions share which torch has wrapped in this way; None where this torch has no such way."""
    return None if wrapper is None else getattr(wrapper(lambda: None), "__code__", None)


_DISABLED_CODE: Final = _code_of(getattr(torch, "_disable_dynamo", None))


def _classes(*modules: ModuleType) -> Iterator[type]:
    yield from {value: None for module in modules for value in vars(module).values() if isinstance(value, type)}


def _undisabled(outer: _Function) -> None:
    """Have the function called as it is, until the compiler is there."""
    function = outer.__wrapped__  # type: ignore[attr-defined]
    if _DISABLED in outer.__code__.co_names and _DISABLED not in vars(function):
        setattr(function, _DISABLED, partial(_called, outer, function))


def _called(outer: _Function, function: _Function, *args: Any, **kwargs: Any) -> Any:
    if _COMPILER not in sys.modules:
        return function(*args, **kwargs)
    vars(function).pop(_DISABLED, None)  # and torch puts there what it would have put at the first call
    return outer(*args, **kwargs)


def _without_graph_breaks(outer: _Function) -> _Function:
    """A step as torch does it, but for the two words to a compiler that is not there."""
    function = outer.__wrapped__  # type: ignore[attr-defined]

    @wraps(outer)
    def step(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        if _COMPILER in sys.modules:
            return outer(self, *args, **kwargs)
        before = torch.is_grad_enabled()
        try:
            torch.set_grad_enabled(self.defaults["differentiable"])
            return function(self, *args, **kwargs)
        finally:
            torch.set_grad_enabled(before)

    return step
