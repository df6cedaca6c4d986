"""What a grid claims before it is run: which cells are better than which others, by what measure, and by how much."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import ceil, log2
from typing import Any, Final, Literal

from orchestrator.grid.measures import Measure
from orchestrator.grid.rules import Pattern
from orchestrator.grid.yaml_file import At

VERSION: Final = 1
"""Raised when the same words come to claim something else."""

ALPHA: Final = 0.05
"""The chance of any false verdict among all claims of a grid where nothing differs from its margin."""

Kind = Literal["difference", "interaction", "trend", "gap", "time to target", "non-inferiority"]
Sense = Literal["better", "higher", "lower", "not_worse"]


@dataclass(frozen=True, slots=True)
class LevelPattern:
    """Levels of one axis, as a claim names them."""

    written: str
    """For the eye."""
    parts: tuple[Pattern, ...] = ()
    """A level of exactly such parts, in whatever order; `none` beside others is nothing."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Cells: on each axis that is named, those of any of the levels."""

    axes: Mapping[str, Sequence[LevelPattern]] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(" or ".join(level.written for level in levels) for levels in self.axes.values())


@dataclass(frozen=True, slots=True)
class Over:
    """An axis in an order."""

    axis: str
    levels: Sequence[LevelPattern]
    rises: bool
    """Whether the claim is that it rises from the first level to the last."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        return tuple(Arm({self.axis: (level,)}) for level in self.levels)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim."""

    id: str
    text: str
    at: At
    digest: str
    """Of all that is written but the id: another digest is another claim."""
    on: Measure
    sense: Sense
    """What the first arm is said to be. Of a trend of one measure: `higher`."""
    first: Arm | None
    """None where the claim is a trend of one measure, not of a difference."""
    than: Arm | None
    margin: float = 0.0
    """By how much at least; of a non-inferiority, how much worse at most."""
    more_where: Arm | None = None
    less_where: Arm | None = None
    over: Over | None = None
    where: Arm = field(default_factory=Arm)
    """The cells that the claim is about; all of the grid when it names no axis."""

    @property
    def kind(self) -> Kind:
        if self.more_where is not None:
            return "interaction"
        if self.over is not None:
            return "trend"
        if self.sense == "not_worse":
            return "non-inferiority"
        if self.on.form == "time":
            return "time to target"
        return "gap" if self.on.form == "gap" else "difference"

    @property
    def arms(self) -> Iterator[Arm]:
        """All arms whose levels are compared."""
        yield from (arm for arm in (self.first, self.than, self.more_where, self.less_where) if arm is not None)
        yield from self.over.arms if self.over is not None else ()

    @property
    def compared(self) -> frozenset[str]:
        """The axes whose levels are compared; the others pair the trials."""
        return frozenset(axis for arm in self.arms for axis in arm.axes)


def min_seeds(family: int) -> int:
    """Fewer pairs cannot decide one of so many claims: of n signs the two most extreme patterns have the share 2 / 2^n."""
    return ceil(log2(2 * family / ALPHA))


def claim_digest(written: Mapping[str, Any]) -> str:
    """16 hex digits. written: the claim as it stands in the grid."""
    meaning = {key: value for key, value in written.items() if key != "id"}
    canonical = json.dumps([VERSION, meaning], sort_keys=True, separators=(",", ":"), default=str)
    return blake2b(canonical.encode(), digest_size=8).hexdigest()
