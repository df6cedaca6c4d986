"""What a grid leaves open for tuning: parameters, where their values are looked for, and with what budget."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import product
from math import prod
from typing import Any, Final, Literal

from trainables.component import Component

VERSION: Final = 1
"""Raised when tuning comes to find other values for the same configuration."""


@dataclass(frozen=True, slots=True)
class Range:
    """All numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool
    """Whether equal ratios, not equal differences, are equally likely."""
    whole: bool
    """Whole numbers alone."""

    def points(self, count: int) -> list[float]:
        """Evenly spaced, both ends among them (their middle, where only one is asked for)."""
        shares = [index / (count - 1) for index in range(count)] if count > 1 else [0.5]
        if self.log:
            values = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            values = [self.low + (self.high - self.low) * share for share in shares]
        if self.whole:
            return list(dict.fromkeys(round(value) for value in values))
        return [float(f"{value:.12g}") for value in values]

    def written(self) -> list[Any]:
        """As the grid has it."""
        return [self.low, self.high, "log" if self.log else "linear"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Some values; any JSON."""

    texts: tuple[str, ...]
    """JSON of each."""

    def values(self) -> list[Any]:
        return [json.loads(text) for text in self.texts]

    def written(self) -> list[Any]:
        """As the grid has it."""
        return self.values()


Domain = Range | Choice


@dataclass(frozen=True, slots=True)
class Opened:
    """One parameter that is tuned."""

    axis: Literal["model", "optimizer", "regularizer"]
    key: str
    domain: Domain

    @property
    def name(self) -> str:
        """`optimizer.lr`."""
        return f"{self.axis}.{self.key}"


@dataclass(frozen=True)
class TuningSpec:
    """How the open parameters of each cell are tuned before its seeds run."""

    trials: int
    """The budget of each cell."""
    search: Literal["random", "tpe", "grid"]
    scheduler: Literal["none", "asha"]
    seed: int
    """Of the search, and of the tuning trials' training: apart from the trials' own seeds (DomainBed's rule)."""
    space: tuple[Opened, ...]

    def of(self, components: Collection[tuple[str, type[Component]]]) -> "TuningSpec":
        """What of it a cell has. components: (axis, component) of each of its parts."""
        having = {(axis, key) for axis, component in components for key in component.model_fields}
        return replace(self, space=tuple(opened for opened in self.space if (opened.axis, opened.key) in having))

    @cached_property
    def digest(self) -> bytes:
        """Part of the identity of every cell that is tuned so."""
        canonical = json.dumps([VERSION, self.parameters()], sort_keys=True, separators=(",", ":"))
        return blake2b(canonical.encode(), digest_size=16).digest()

    def parameters(self) -> dict[str, Any]:
        """As the grid has it, for tables."""
        return {
            "trials": self.trials,
            "search": self.search,
            "scheduler": self.scheduler,
            "seed": self.seed,
            "space": {opened.name: opened.domain.written() for opened in self.space},
        }

    def told(self) -> str:
        """For the eye."""
        names = ", ".join(opened.name for opened in self.space)
        stops = "" if self.scheduler == "none" else f", stopped early by {self.scheduler}"
        return f"{self.search} search over {names}, {self.trials} trials for each cell{stops}"

    @property
    def count(self) -> int:
        """Tuning trials of one cell: the budget, or the points of the grid that fit into it."""
        return self.trials if self.search != "grid" else prod(len(points) for points in self._grid)

    @property
    def at_once(self) -> int:
        """Tuning trials of one cell that may be under way at once: an estimator learns from those that have ended."""
        return max(4, self.trials // 4) if self.search == "tpe" else self.count

    def combinations(self) -> Iterator[dict[str, Any]]:
        """The points of a grid search, in order."""
        names = [opened.name for opened in self.space]
        return (dict(zip(names, chosen, strict=True)) for chosen in product(*self._grid))

    @cached_property
    def choices(self) -> int:
        """Combinations of the values that are listed."""
        return prod(len(opened.domain.texts) for opened in self.space if isinstance(opened.domain, Choice))

    @cached_property
    def _grid(self) -> list[list[Any]]:
        """The values of each parameter: of every range as many points as the budget allows."""
        ranges = sum(1 for opened in self.space if isinstance(opened.domain, Range))
        each = 1
        while ranges and self.choices * (each + 1) ** ranges <= self.trials:
            each += 1
        return [
            opened.domain.points(each) if isinstance(opened.domain, Range) else opened.domain.values()
            for opened in self.space
        ]
