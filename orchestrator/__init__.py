"""Runs a full grid of image-recognition experiments and keeps what comes out.

In a notebook: `orchestrator.load("results/demo")` gives its tables and what can be said of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.results.load import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Late: commands that answer at once must not import pandas first."""
    if name == "load":
        from orchestrator.results.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
