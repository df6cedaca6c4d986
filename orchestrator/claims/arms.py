"""Which rows of the `trials` table an arm of a claim means."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pandas as pd

from orchestrator.grid.claims import Arm, LevelPattern
from orchestrator.grid.parameters import json_of
from orchestrator.grid.rules import Pattern


def rows_of(arm: Arm, trials: pd.DataFrame) -> "pd.Series[bool]":
    """Which trials have, on each axis that the arm names, one of its levels. trials: with the axes' configurations."""
    chosen = pd.Series(True, index=trials.index, dtype=bool)
    for axis, levels in arm.axes.items():
        chosen &= _rows_on(axis, levels, trials)
    return chosen


def _rows_on(axis: str, levels: Sequence[LevelPattern], trials: pd.DataFrame) -> "pd.Series[bool]":
    configurations = trials[f"{axis}_config"]
    return configurations.isin({text for text in configurations.unique() if _is_any(levels, _parts(text))})


def _parts(text: str) -> list[Mapping[str, Any]]:
    """The components of a level, without those that do nothing."""
    level = json.loads(text)
    parts = level if isinstance(level, list) else [level]
    return [part for part in parts if part["name"] != "none"] or parts[:1]


def _is_any(levels: Sequence[LevelPattern], parts: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        len(level.parts) == len(parts)
        and all(any(_matches(pattern, part) for part in parts) for pattern in level.parts)
        for level in levels
    )


def _matches(pattern: Pattern, part: Mapping[str, Any]) -> bool:
    return part["name"] == pattern.component.name and all(
        any(_is_value(text, part.get(key)) for text in texts) for key, texts in pattern.values.items()
    )


def _is_value(text: str, kept: Any) -> bool:
    """Whether a value is what the claim says; a path is kept in full, whatever the grid says of it."""
    if json_of(kept) == text:
        return True
    written = json.loads(text)
    if not isinstance(written, str) or not isinstance(kept, str) or not written:
        return False
    return PurePath(kept).is_absolute() and PurePath(kept).match(written)
