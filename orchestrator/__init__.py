"""Runs a full grid of image-recognition experiments and keeps what comes out.

In a notebook: `orchestrator.load("results/demo")` gives its tables and what can be said of them.
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from orchestrator.errors import OrchError
    from orchestrator.notebook.load import Results, load

__all__ = ["OrchError", "Results", "load"]

_WHERE: _typing.Final = {
    "OrchError": "orchestrator.errors",
    "Results": "orchestrator.notebook.load",
    "load": "orchestrator.notebook.load",
}


def __getattr__(name: str) -> _typing.Any:
    """Import late: commands that answer immediately must not import pandas first."""
    if name in _WHERE:
        return getattr(_importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is offered, also before anybody has asked for it; packages are imported by their own names."""
    return list(__all__)
