"""`display`: what a user calls a level, in place of its component with parameters. No part of its identity."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from unicodedata import normalize

from clusters.yaml_file import At, YamlMapping, YamlText
from orchestrator.grid.levels import ParameterGrid
from orchestrator.grid.mistakes import mistake
from trainables.component import Component
from trainables.registry import registry

KEY: Final = "display"
LONGEST: Final = 60
"""Signs of a name: more would be cut in tables and legends."""
DISPLAY_SCHEMA: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST,
    "description": "What the level is called in tables, pages and messages; one that expands, what its names begin with.",
}
_MARKUP: Final = re.compile(r"[<>`|$\\]")
"""What pages, legends and Markdown would take for more than text."""


def read_display(axis: str, component: type[Component], level: YamlMapping | YamlText) -> str | None:
    """The name that a level gives itself; None where it gives none. Raises Mistakes."""
    if not isinstance(level, YamlMapping) or KEY not in level or KEY in component.model_fields:
        return None
    written = level[KEY]
    if not isinstance(written, YamlText):
        raise mistake("display is the name of the level, and has to be text; write it in quotes", KEY)
    name = normalize("NFC", " ".join(written.split(" "))).strip()
    name = re.sub(" +", " ", name)
    if not name:
        raise mistake("display is empty; leave it out, or give the level a name", KEY)
    if len(name) > LONGEST:
        raise mistake(f"display has {len(name):,} characters, {LONGEST} at most; give a shorter name", KEY)
    if wrong := next((sign for sign in name if not sign.isprintable()), None) or _MARKUP.search(name):
        sign = wrong if isinstance(wrong, str) else wrong.group()
        said = ascii(sign) if not sign.isprintable() else sign
        raise mistake(f"display may not contain {said}; use letters, digits, spaces and plain punctuation", KEY)
    if axis == "regularizer" and "+" in name:
        raise mistake("display may not contain +, which joins the regularizers of one level; use another sign", KEY)
    return name


def ambiguous(axis: str, param_grids: Sequence[ParameterGrid]) -> Iterator[tuple[At, str]]:
    """Where a name would mean two levels of an axis, or two names one level, and why. param_grids: all of the axis."""
    named = [(param_grid.display, param_grid) for param_grid in param_grids if param_grid.display is not None]
    plain = {param_grid.component.name for param_grid in param_grids if param_grid.display is None}
    reserved = sorted(plain | set(registry.names(axis)))
    for index, (name, param_grid) in enumerate(named):
        at = param_grid.places.get(KEY, param_grid.at)
        own = param_grid.component.name
        others = reserved if own in plain else [other for other in reserved if other != own]
        taken = next((other for other in others if name == other or name.startswith(f"{other}(")), None)
        if taken is not None:
            yield at, f"display {name!r} is what a level of {taken} without a display is called; use another name"
        for other_name, other in named[:index]:
            if fault := _fault(name, param_grid, other_name, other):
                yield at, f"{fault} (line {other.at.line}); give each {axis} one name of its own"
                break


def _fault(name: str, param_grid: ParameterGrid, other_name: str, other: ParameterGrid) -> str | None:
    if name == other_name:
        same = param_grid.component is other.component and _texts(param_grid) == _texts(other)
        return None if same else f"display {name!r} is already the name of another level"
    if name.startswith(f"{other_name}(") or other_name.startswith(f"{name}("):
        return f"display {name!r} cannot be distinguished from {other_name!r}"
    return f"this level is already called {other_name!r}" if param_grid.overlaps(other) else None


def _texts(param_grid: ParameterGrid) -> Mapping[str, Iterable[str]]:
    return {key: {value.text for value in values} for key, values in param_grid.values.items()}
