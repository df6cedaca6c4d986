"""What a grid leaves open for tuning: parameters, where their values are looked for, and with what budget."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import product
from math import prod
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, JsonValue

from orchestrator.grid import yaml_file
from orchestrator.grid.levels import Family
from orchestrator.grid.problems import Problems, near, shown
from orchestrator.grid.rules import Override
from orchestrator.grid.settings import Section, read_settings
from orchestrator.grid.values import holds_whole_numbers, others_of, validated
from orchestrator.grid.yaml_file import Entry, Node, plain
from trainables import LEARNING_AXES, LearningAxis
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

    axis: LearningAxis
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


# Reading `tuning`: every value that may be tried is checked where it stands.

_SCALES: Final = ("log", "linear")
_FORMS: Final = "write [low, high, log], [low, high, linear] or a list of values"


class Tuning(Section):
    """How each cell's open parameters are tuned on validation before its seeds run."""

    trials: Annotated[int, Field(ge=1, le=100_000)] = 16
    """The budget of each cell."""
    search: Literal["random", "tpe", "grid"] = "random"
    """How values are looked for: at random, by a tree-structured Parzen estimator, or point by point."""
    scheduler: Literal["none", "asha"] = "none"
    """Whether trials that do badly are stopped early (asynchronous successive halving)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the search and of the tuning trials, apart from the seeds of the cells."""
    space: Annotated[dict[str, list[JsonValue]], Field(min_length=1)]
    """Dotted names such as optimizer.lr, each with a range [1e-4, 1, log], [8, 64, linear], or a list of values."""


def read_tuning(
    node: Node | None, families: Mapping[str, Sequence[Family]], overrides: Sequence[Override], problems: Problems
) -> TuningSpec | None:
    """The section; None where it is not given or something is wrong with it."""
    if node is None:
        return None
    before = len(problems)
    section = read_settings(Tuning, node, "tuning", problems)
    written = node.get("space") if isinstance(node, yaml_file.Mapping) else None
    space = written if isinstance(written, yaml_file.Mapping) else yaml_file.Mapping({}, node.at, 0)
    opened = [
        found
        for path, entry in space
        if (found := _Parameter(path, entry, space, families, overrides, problems).read()) is not None
    ]
    if section is None or len(problems) > before:
        return None
    spec = TuningSpec(section.trials, section.search, section.scheduler, section.seed, tuple(opened))
    if spec.search == "grid" and spec.count > spec.trials:
        problems.add(node.at, f"the listed values have {spec.count} combinations, more than trials: {spec.trials}")
    return spec


class _Parameter:
    """Reads one entry of `space`."""

    def __init__(
        self,
        path: str,
        entry: Entry,
        space: yaml_file.Mapping,
        families: Mapping[str, Sequence[Family]],
        overrides: Sequence[Override],
        problems: Problems,
    ) -> None:
        self._path, self._entry, self._problems = path, entry, problems
        self._space = list(space.entries)
        self._axis, _, self._key = path.partition(".")
        self._overrides = overrides
        self._all = families.get(self._axis, ()) if self._axis in LEARNING_AXES else ()
        self._families = [family for family in self._all if self._key in family.component.model_fields]

    def read(self) -> Opened | None:
        before = len(self._problems)
        self._check_name()
        if len(self._problems) > before:
            return None
        self._check_that_it_is_open()
        domain = self._domain()
        if domain is None or len(self._problems) > before:
            return None
        return Opened(cast(Any, self._axis), self._key, domain)

    def _check_name(self) -> None:
        if self._axis not in LEARNING_AXES or not self._key:
            hint = "optimizer.lr, model.hidden or regularizer.p"
            self._problems.add(self._entry.at, f"cannot tune {self._path!r}; name a parameter such as {hint}")
        elif not self._families:
            names = sorted({name for family in self._all for name in family.component.model_fields})
            lacking = " and ".join(sorted({family.component.name for family in self._all})) or "this grid"
            hint = near(self._key, names) if names else "there is none to tune"
            self._problems.add(
                self._entry.at, f"cannot tune {self._path}: no parameter {self._key!r} in {lacking}; {hint}"
            )

    def _check_that_it_is_open(self) -> None:
        for family in self._families:
            if self._key in family.given:
                self._problems.add(
                    family.places.get(self._key, family.at),
                    f"{self._path} is tuned, so {family.component.name} cannot set it too; take one of them away",
                )
        for rule in self._overrides:
            if any(self._key in values for values in rule.components.get(self._axis, {}).values()):
                self._problems.add(
                    rule.at, f"{self._path} is tuned, so {rule.name} cannot set it; take one of them away"
                )

    def _domain(self) -> Domain | None:
        node = self._entry.value
        if not isinstance(node, yaml_file.Sequence) or not node.items:
            self._problems.add(node.at, f"{self._path} has to be a list; {_FORMS}")
            return None
        if plain(node.items[-1]) in _SCALES and len(node.items) == 3:
            return self._range(node)
        if len(node.items) == 1:
            self._problems.add(node.at, f"{self._path} has one value, so there is nothing to tune; {_FORMS}")
        self._try(node.items)
        texts = [json.dumps(plain(item), sort_keys=True) for item in node.items]
        return Choice(tuple(dict.fromkeys(texts)))

    def _range(self, node: yaml_file.Sequence) -> Range | None:
        low, high, scale = (plain(item) for item in node.items)
        if not _is_number(low) or not _is_number(high) or low >= high:
            self._problems.add(node.at, f"{shown(plain(node))} is no range: two numbers, the lower first; {_FORMS}")
            return None
        if scale == "log" and low <= 0:
            self._problems.add(node.items[0].at, f"a range on a logarithmic scale begins above 0, not at {shown(low)}")
            return None
        self._try(node.items[:2])
        whole = any(holds_whole_numbers(family.component, self._key) for family in self._families)
        return Range(low, high, scale == "log", whole)

    def _try(self, values: Sequence[Node]) -> None:
        """Note the values that a component refuses. Beside others that are open too, none is refused yet."""
        for family in self._families:
            alone = not any(name != self._path and self._opens(name, family) for name in self._space)
            others = others_of(family.values, self._key)
            for value in values:
                level = value if alone else None
                validated(family.component, self._key, value, others, self._problems, level)

    def _opens(self, name: str, family: Family) -> bool:
        axis, _, key = name.partition(".")
        return axis == self._axis and key in family.component.model_fields


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
