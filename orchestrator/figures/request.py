"""What figure is asked for. A mistake in it is the user's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self, get_args

from orchestrator.errors import UserError
from trainables.errors import alike, meant

Kind = Literal["leaderboard", "heatmap", "curves", "roc", "pr", "confusion", "pareto", "effects", "average-ranks"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Form = Literal["pdf", "svg", "png"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
Width = Literal["column", "text", "page"]
WIDTHS: Final[Mapping[Width, float]] = {"column": 3.25, "text": 5.5, "page": 6.75}
"""Inches: a column of two (CVPR, ICML), the text of one (NeurIPS, ICLR, TMLR), and both columns."""
OF_KINDS: Final[Mapping[str, frozenset[Kind]]] = {
    "cells": frozenset({"leaderboard", "curves"}),
    "rows": frozenset({"heatmap"}),
    "columns": frozenset({"heatmap"}),
    "cost": frozenset({"pareto"}),
    "place": frozenset({"roc", "pr", "confusion"}),
    "class_name": frozenset({"roc", "pr"}),
    "dataset": frozenset(KINDS) - {"average-ranks"},
}
"""What is an option of some kinds only."""


def unknown(what: str, name: object, names: Sequence[str]) -> UserError:
    """Say that there is none of the name, with those that are near."""
    near = meant(alike(str(name), names), f"there are {', '.join(names)}" if names else "there are none yet")
    return UserError(f"there is no {what} {name!r}; {near}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRequest:
    """A figure, and what of it. None is the usual."""

    kind: Kind
    width: Width = "text"
    dataset: str | None = None
    """One of the data sets in place of all."""
    cells: int | None = None
    """The best so many of each data set."""
    measure: str | None = None
    """What cells are ranked by and show, in place of what the grid selects by: `f1_macro`, `recall[defect]`. Of curves what
    they are of, as the page has it: `validation accuracy`, `training loss`."""
    rows: str | None = None
    """An axis; and so are the columns, several between commas."""
    columns: str | None = None
    cost: str | None = None
    """A column of `trials` that is paid with."""
    place: int | None = None
    """The cell in this place of the data set's leaderboard, from 1."""
    class_name: str | None = None
    """One class against the rest, in place of all."""

    @classmethod
    def of(cls, kind: str, options: Mapping[str, Any]) -> Self:
        """options: what is None is not given. Raises UserError for what is unknown, or no option of the kind."""
        if kind not in KINDS:
            raise unknown("figure", kind, KINDS)
        known = {each.name for each in fields(cls)} - {"kind"}
        given = {name: value for name, value in options.items() if value is not None}
        for name, value in given.items():
            if name not in known:
                raise unknown("option of a figure", name, sorted(known))
            if kind not in OF_KINDS.get(name, KINDS):
                raise UserError(f"`{name}` is for {', '.join(sorted(OF_KINDS[name]))}, and not for {kind}")
            if name == "width" and value not in WIDTHS:
                raise unknown("width", value, tuple(WIDTHS))
            if name in {"cells", "place"} and not (isinstance(value, int) and value >= 1):
                raise UserError(f"`{name}` is a whole number from 1, not {value!r}")
        return cls(kind=kind, **given)

    @property
    def inches(self) -> float:
        return WIDTHS[self.width]
