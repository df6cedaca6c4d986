"""What a grid leaves open for tuning: parameters, where their values are looked for, and with what budget."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import product
from math import prod
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import Field, JsonValue, PlainValidator, ValidationInfo, model_validator

from clusters.yaml_file import YamlList, YamlMapping
from orchestrator.grid.axes import Reading, read_before
from orchestrator.grid.levels import ParameterGrid
from orchestrator.grid.mistakes import Gathering, Mistake, each, mistake, near, shown
from orchestrator.grid.settings import Section
from orchestrator.grid.values import holds_whole_numbers, others_of, validated
from trainables import LEARNING_AXES, LearningAxis
from trainables.component import Component
from trainables.spec import derived_seed

VERSION: Final = 1
"""Raised when tuning comes to find other values for the same configuration."""

POINTS: Final = "points"
"""In tables, beside what a grid asks for: how many tuning trials of a cell a grid search makes of it."""


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


# Reading `tuning`: every value that may be tried is checked where it stands.

_SCALES: Final = ("log", "linear")
_FORMS: Final = "write [low, high, log], [low, high, linear] or a list of values"


_Space = Annotated[
    dict[str, list[JsonValue]],
    Field(min_length=1, json_schema_extra={"propertyNames": {"pattern": f"^({'|'.join(LEARNING_AXES)})\\."}}),
]


def _space(written: Any, info: ValidationInfo) -> tuple[Opened, ...]:
    if not isinstance(written, YamlMapping) or not written:
        raise ValueError("it has to be a mapping that names a parameter such as optimizer.lr")

    def read(path: str) -> Opened:
        return _Parameter(path, list(written), read_before(info)).read(written[path])

    return tuple(each(read, ((path, path) for path in written)))


class TuningSpec(Section):
    """How each cell's open parameters are tuned on validation before its seeds run."""

    trials: Annotated[int, Field(ge=1, le=100_000)] = 16
    """The budget of each cell."""
    search: Literal["random", "tpe", "grid"] = "random"
    """How values are looked for: at random, by a tree-structured Parzen estimator, or point by point."""
    generation: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Trials of `tpe` that are chosen together, from all generations before; a quarter of the trials, 4 at least, when not
    given."""
    scheduler: Literal["none", "asha"] = "none"
    """Whether bad trials are stopped early (asynchronous successive halving)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the search and of the tuning trials, separate from the cells' seeds."""
    repetitions: Annotated[int, Field(ge=1, le=1_000)] = 1
    """How often each cell is tuned, each time with draws and trainings of its own; seed s runs with what repetition s modulo
    so many has chosen."""
    space: Annotated[tuple[Opened, ...], PlainValidator(_space, json_schema_input_type=_Space)]
    """Dotted names such as optimizer.lr, each with a range [1e-4, 1, log], [8, 64, linear], or a list of values."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.search == "grid" and self.count > self.trials:
            raise mistake(f"the listed values have {self.count} combinations, more than trials: {self.trials}")
        if self.generation is not None and self.search != "tpe":
            raise mistake(f"only tpe works in generations; {self.search} has none", "generation")
        if self.generation is not None and self.generation > self.trials:
            raise mistake(f"a generation of {self.generation} is more than trials: {self.trials}", "generation")
        return self

    def of(self, components: Collection[tuple[str, type[Component]]]) -> "TuningSpec":
        """What of it a cell has. components: (axis, component) of each of its parts."""
        having = {(axis, key) for axis, component in components for key in component.model_fields}
        space = tuple(opened for opened in self.space if (opened.axis, opened.key) in having)
        return self.model_construct(**{**dict(self), "space": space})  # fields alone: nothing that is cached

    def opens(self, *axes: str) -> bool:
        """Whether a parameter of one of these axes is tuned."""
        return any(opened.axis in axes for opened in self.space)

    @cached_property
    def digest(self) -> bytes:
        """Part of the identity of every cell that is tuned so."""
        canonical = json.dumps([VERSION, self.parameters()], sort_keys=True, separators=(",", ":"))
        return blake2b(canonical.encode(), digest_size=16).digest()

    def parameters(self) -> dict[str, Any]:
        """As the grid has it."""
        space = {opened.name: opened.domain.written() for opened in self.space}
        generation = {"generation": self.together} if self.search == "tpe" else {}
        repetitions = {"repetitions": self.repetitions} if self.repetitions > 1 else {}
        plain = self.model_dump(exclude={"space", "generation", "repetitions"})
        return {**plain, **generation, **repetitions, "space": space}

    def recorded(self) -> dict[str, Any]:
        """The same for tables, with how many points a grid search has, which may be fewer than its budget."""
        return {**self.parameters(), **({POINTS: self.count} if self.search == "grid" else {})}

    def summary(self, *, in_folds: bool = False) -> str:
        """Say how it is tuned, for display. in_folds: whether some data is cross-validated."""
        names = ", ".join(opened.name for opened in self.space)
        stops = "" if self.scheduler == "none" else f", stopped early by {self.scheduler}"
        times = f", {self.repetitions} times over" if self.repetitions > 1 else ""
        each = "cell and fold" if in_folds else "cell"
        return f"{self.search} search over {names}, {self.trials} trials for each {each}{times}{stops}"

    def repetition_of(self, seed: int) -> int:
        """The one with whose choice a seed runs."""
        return seed % self.repetitions

    def without_seeds(self, seeds: Sequence[int]) -> list[int]:
        """The repetitions whose choice no seed runs with."""
        if isinstance(seeds, range):  # 0, 1, ...: as long as a user likes
            return list(range(min(len(seeds), self.repetitions), self.repetitions))
        return sorted(set(range(self.repetitions)) - {self.repetition_of(seed) for seed in seeds})

    def repetition(self, index: int) -> "TuningSpec":
        """One of them by itself. The first is what a cell has that is tuned once."""
        seed = self.seed if index == 0 else derived_seed(f"repetition {index}", self.seed)
        return self.model_construct(**{**dict(self), "seed": seed, "repetitions": 1})

    @property
    def count(self) -> int:
        """Tuning trials of one repetition: the budget, or the points of the grid that fit into it."""
        return self.trials if self.search != "grid" else prod(len(points) for points in self._grid)

    @property
    def together(self) -> int:
        """Tuning trials of one repetition that make a generation, which begins when all before it have ended: what is chosen
        does not depend on how many run at once. Where nothing is learnt from others, all are one.
        """
        if self.search != "tpe":
            return self.count
        return self.generation or min(self.trials, max(4, self.trials // 4))

    def before(self, number: int) -> int:
        """How many tuning trials have to have ended before this one begins."""
        return number // self.together * self.together

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


class _Parameter:
    """Reads one entry of `space`. Its methods raise Mistakes."""

    def __init__(self, path: str, space: Sequence[str], reading: Reading) -> None:
        """space: the names of all."""
        self._path, self._space = path, space
        self._axis, _, self._key = path.partition(".")
        self._all = reading.param_grids(self._axis) if self._axis in LEARNING_AXES else []
        self._param_grids = [param_grid for param_grid in self._all if self._key in param_grid.component.model_fields]
        self._rules = reading.set_by.get(path, ())

    def read(self, written: Any) -> Opened:
        if self._axis not in LEARNING_AXES or not self._key:
            hint = "optimizer.lr, model.hidden or regularizer.p"
            raise mistake(f"cannot tune {self._path!r}; name a parameter such as {hint}", of_key=True)
        if not self._param_grids:
            names = sorted({name for param_grid in self._all for name in param_grid.component.model_fields})
            lacking = " and ".join(sorted({param_grid.component.name for param_grid in self._all})) or "this grid"
            hint = near(self._key, names) if names else "there is none to tune"
            message = f"cannot tune {self._path}: no parameter {self._key!r} in {lacking}; {hint}"
            raise mistake(message, of_key=True)
        with Gathering() as gathering:
            gathering.add(*self._set_elsewhere())
            with gathering.below():
                domain = self._domain(written)
        return Opened(cast(LearningAxis, self._axis), self._key, domain)

    def _set_elsewhere(self) -> Iterator[Mistake]:
        for param_grid in self._param_grids:
            if self._key in param_grid.given:
                message = f"{self._path} is tuned, so {param_grid.component.name} cannot set it too; remove one of them"
                yield Mistake(message, at=param_grid.places.get(self._key, param_grid.at))
        for at, name in self._rules:
            yield Mistake(f"{self._path} is tuned, so {name} cannot set it; remove one of them", at=at)

    def _domain(self, written: Any) -> Domain:
        if not isinstance(written, YamlList) or not written:
            raise mistake(f"tuning.space.{self._path} has to be a list; {_FORMS}")
        if len(written) == 3 and written[-1] in _SCALES:
            return self._range(written)
        with Gathering() as gathering:
            if len(written) == 1:
                gathering.add(Mistake(f"{self._path} has one value, so there is nothing to tune; {_FORMS}"))
            with gathering.below():
                self._try(written, len(written))
        return Choice(tuple(dict.fromkeys(json.dumps(value, sort_keys=True) for value in written)))

    def _range(self, written: YamlList) -> Range:
        low, high, scale = written
        if not _is_number(low) or not _is_number(high) or low >= high:
            raise mistake(f"{shown(written)} is not a range: two numbers, the lower first; {_FORMS}")
        if scale == "log" and low <= 0:
            raise mistake(f"a range on a logarithmic scale begins above 0, not at {shown(low)}", 0)
        self._try(written, 2)
        whole = any(holds_whole_numbers(param_grid.component, self._key) for param_grid in self._param_grids)
        return Range(low, high, scale == "log", whole)

    def _try(self, written: YamlList, count: int) -> None:
        """Raise for the first values that a component refuses. Beside others that are open too, none is refused yet."""
        with Gathering() as gathering:
            for param_grid in self._param_grids:
                alone = not any(name != self._path and self._opens(name, param_grid) for name in self._space)
                others = others_of(param_grid.values, self._key)
                for value, at in zip(written[:count], written.places, strict=False):
                    with gathering.below():
                        validated(param_grid.component, self._key, value, others, at, at if alone else None)

    def _opens(self, name: str, param_grid: ParameterGrid) -> bool:
        axis, _, key = name.partition(".")
        return axis == self._axis and key in param_grid.component.model_fields


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
