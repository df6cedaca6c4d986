"""Reading `claims`: every level and measure that a claim names has to be one of the grid's."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, islice
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, JsonValue

from orchestrator.grid import yaml_file
from orchestrator.grid.claims import Arm, Claim, LevelPattern, Over, Sense, claim_digest
from orchestrator.grid.levels import Entry, Family, Labels, Part, Parts, acting, label_of, shown_in
from orchestrator.grid.measures import Measure, measure_named, measure_names, reachable, time_to
from orchestrator.grid.problems import Problems, near, shown
from orchestrator.grid.rules import Pattern, read_pattern
from orchestrator.grid.settings import Section, read_settings
from orchestrator.grid.yaml_file import At, Node, Scalar, plain
from trainables import AXES
from trainables.registry import registry

MAX: Final = 500
"""Claims of one grid; a family of more decides nothing."""
_LOOKED_AT: Final = 20_000
"""Levels of an axis whose labels are compared; a claim about more has to name components."""
_SENSES: Final = ("better", "higher", "lower", "not_worse")
ARMS: Final = (*_SENSES, "than", "more_where", "less_where", "over", "where")
"""The keys under which axes and their levels stand."""

Levels = dict[str, JsonValue]


class Reach(Section):
    """How long until validation is good enough."""

    reach: float
    """The target."""
    of: Annotated[str, Field(min_length=1)] = "val_accuracy"
    """The column of `epochs` that has to reach it."""
    clock: Literal["seconds", "epochs"] = "seconds"
    """Whether training time is counted, or epochs."""


class WrittenClaim(Section):
    """What is claimed before the grid is run, and what `orch claims` gives a verdict on."""

    id: Annotated[str, Field(min_length=1, max_length=40)]
    """Short, such as H1."""
    text: Annotated[str, Field(min_length=1, max_length=500)]
    """The claim in words."""
    better: Annotated[Levels, Field(min_length=1)] | None = None
    """The cells that are said to be better: axes and their levels."""
    higher: Annotated[Levels, Field(min_length=1)] | None = None
    """In place of `better`: those whose measure is said to be higher."""
    lower: Annotated[Levels, Field(min_length=1)] | None = None
    """In place of `better`: those whose measure is said to be lower."""
    not_worse: Annotated[Levels, Field(min_length=1)] | None = None
    """In place of `better`: those that are said to be worse by less than `margin`."""
    than: Annotated[Levels, Field(min_length=1)] | None = None
    """The cells that they are compared with; the same axes."""
    on: str | Reach
    """A measured column such as test_accuracy, a gap such as accuracy_gap, diverged, or {reach: 0.9, of: val_accuracy}."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """By how much at least."""
    more_where: Annotated[Levels, Field(min_length=1)] | None = None
    """The difference is said to be larger here ..."""
    less_where: Annotated[Levels, Field(min_length=1)] | None = None
    """... than here."""
    over: Annotated[Levels, Field(min_length=1, max_length=1)] | None = None
    """One axis and its levels in order: the measure, or the difference, is said to change along it."""
    trend: Literal["rises", "falls"] = "rises"
    """Which way it changes along `over`."""
    where: Annotated[Levels, Field(min_length=1)] | None = None
    """The cells that the claim is about; all when not given."""


def read_claims(
    node: Node | None,
    cells: Sequence[Mapping[str, tuple[Entry, ...]]],
    labels: Callable[[], Mapping[str, Labels]],
    problems: Problems,
) -> tuple[Claim, ...]:
    """The claims. cells: the entries of each axis, and of each item of `include`. labels: of the axes' levels."""
    if node is None:
        return ()
    if not isinstance(node, yaml_file.Sequence):
        problems.add(node.at, "claims has to be a list")
        return ()
    if len(node.items) > MAX:
        problems.add(node.at, f"{len(node.items)} claims; the more there are, the less each can show: at most {MAX}")
        return ()
    axes = _Axes(cells, labels, whole=not len(problems))
    read = [_Reader(f"claims[{index}]", item, axes, problems).read() for index, item in enumerate(node.items)]
    claims = tuple(claim for claim in read if claim is not None)
    seen: dict[str, At] = {}
    for claim in claims:
        if claim.id in seen:
            problems.add(claim.at, f"the claim {claim.id} stands in line {seen[claim.id].line} already; use another id")
        seen.setdefault(claim.id, claim.at)
    return claims


class _Axes:
    """The levels that a grid has."""

    def __init__(
        self,
        cells: Sequence[Mapping[str, tuple[Entry, ...]]],
        labels: Callable[[], Mapping[str, Labels]],
        *,
        whole: bool,
    ) -> None:
        """whole: nothing is wrong in what was read of them."""
        self._entries = {axis: [entry for some in cells for entry in some.get(axis, ())] for axis in AXES}
        self._labels, self.whole = cache(labels), whole

    def families(self, axis: str) -> list[Family]:
        return [family for entry in self._entries[axis] for family in entry.families]

    def has(self, axis: str, level: LevelPattern) -> bool:
        """Whether the grid has such a level."""
        return any(may_match(level.parts, entry) for entry in self._entries[axis])

    def called(self, axis: str, label: str) -> LevelPattern:
        """The level with this label, in the grid or as the tables show it. Without parts where there is none."""
        for parts in self._levels(axis):
            if label == self._label(axis, parts):
                names = self._labels()[axis]
                return LevelPattern(label, tuple(_pattern(part, names.shown(part.component)) for part in acting(parts)))
            if len(parts) == 1 and (keys := shown_in(parts[0].component, parts[0].values, label)):
                return LevelPattern(label, (_pattern(parts[0], keys),))
        return LevelPattern(label)

    def labels(self, axis: str) -> list[str]:
        """Of the first levels of an axis."""
        return [self._label(axis, parts) for parts in self._levels(axis)]

    def overlap(self, one: Arm, other: Arm) -> bool:
        """Whether some cell is in both, as far as the first levels of each axis tell."""
        return all(
            any(_is_any(one.axes[axis], parts) and _is_any(other.axes[axis], parts) for parts in self._levels(axis))
            for axis in one.axes.keys() & other.axes.keys()
        )

    def _label(self, axis: str, parts: Parts) -> str:
        return label_of(parts, self._labels()[axis])

    def _levels(self, axis: str) -> Iterator[Parts]:
        return islice((parts for entry in self._entries[axis] for parts in entry), _LOOKED_AT)


def may_match(patterns: tuple[Pattern, ...], entry: Entry) -> bool:
    """Whether some level of an entry is exactly of such parts."""
    some = [family for family in entry.families if family.component.name != "none"] or list(entry.families[:1])
    return len(some) == len(patterns) and all(any(pattern.may_match(family) for family in some) for pattern in patterns)


def _is_any(levels: Sequence[LevelPattern], parts: Parts) -> bool:
    return any(_match(level.parts, parts) for level in levels)


def _pattern(part: Part, keys: Iterable[str]) -> Pattern:
    return Pattern(part.component, {key: frozenset([part.values[key].text]) for key in keys})


def _match(patterns: tuple[Pattern, ...], parts: Parts) -> bool:
    some = acting(parts)
    return len(some) == len(patterns) and all(any(pattern.matches(part) for part in some) for pattern in patterns)


class _Reader:
    """Reads one claim."""

    def __init__(self, name: str, node: Node, axes: _Axes, problems: Problems) -> None:
        self._name, self._axes, self._problems = name, axes, problems
        self._source = node
        self._node = node if isinstance(node, yaml_file.Mapping) else yaml_file.Mapping({}, node.at, 0)

    def read(self) -> Claim | None:
        before = len(self._problems)
        if self._node is not self._source:
            self._add(self._source.at, "has to be a mapping with the keys id, text, better, than and on")
            return None
        written = read_settings(WrittenClaim, self._node, self._name, self._problems)
        if written is None or len(self._problems) > before:
            return None
        self._check_keys()
        arms = {key: self._arm(key) for key in ARMS if key != "over"}
        on, over = self._measure(written), self._over(written)
        sense = next((key for key in _SENSES if arms[key] is not None), None)
        if on is not None:
            self._check_measure(sense, on)
        if on is None or len(self._problems) > before:
            return None
        claim = Claim(
            id=written.id,
            text=" ".join(written.text.split()),
            at=self._node.at,
            digest=claim_digest(plain(self._node)),
            on=on,
            sense=cast(Sense, sense or "higher"),
            first=arms[sense] if sense else None,
            than=arms["than"],
            margin=written.margin,
            more_where=arms["more_where"],
            less_where=arms["less_where"],
            over=over,
            where=arms["where"] or Arm(),
        )
        if self._axes.whole:
            self._check_apart(claim)
        return claim if len(self._problems) == before else None

    def _add(self, at: At, message: str) -> None:
        self._problems.add(at, f"{self._name} {message}")

    def _at(self, key: str) -> At:
        return self._node.entries[key].at if key in self._node else self._node.at

    def _check_keys(self) -> None:
        """Which keys go together."""
        senses = [key for key in _SENSES if key in self._node]
        if len(senses) > 1:
            self._add(self._at(senses[1]), f"has {' and '.join(senses)}; keep one of them")
        if bool(senses) != ("than" in self._node):
            lacking = "than" if senses else "one of better, higher, lower and not_worse"
            self._add(self._node.at, f"needs {lacking}")
        elif not senses and "over" not in self._node:
            self._add(self._node.at, "needs better and than, or over: one axis and its levels in order")
        if ("more_where" in self._node) != ("less_where" in self._node):
            self._add(self._node.at, "needs both more_where and less_where")
        if "more_where" in self._node and "over" in self._node:
            self._add(self._at("over"), "has over and more_where; make two claims of it")
        if "more_where" in self._node and not senses:
            self._add(self._node.at, "needs better and than: it is their difference that is larger somewhere")
        if "trend" in self._node and "over" not in self._node:
            self._add(self._at("trend"), "needs over: one axis and its levels in order")
        if "not_worse" in senses and ("over" in self._node or "more_where" in self._node):
            self._add(self._at("not_worse"), "is about a margin, so it has no over and no more_where")
        if "not_worse" in senses and "margin" not in self._node:
            self._add(self._at("not_worse"), "needs a margin: how much worse is still not worse?")

    def _arm(self, key: str) -> Arm | None:
        node = self._node.get(key)
        if not isinstance(node, yaml_file.Mapping):
            return None
        self._problems.unknown_keys(node, AXES, f"axis of {self._name}.{key}")
        return Arm({axis: self._levels(axis, entry.value) for axis, entry in node if axis in AXES})

    def _levels(self, axis: str, node: Node) -> tuple[LevelPattern, ...]:
        """One level or a list of them; a list in the list is one level of several parts, as under `axes`."""
        if isinstance(node, yaml_file.Sequence) and not node.items:
            self._problems.add(node.at, "an empty list matches nothing")
        levels = (self._level(axis, item) for item in yaml_file.items(node))
        return tuple(level for level in levels if level is not None)

    def _level(self, axis: str, node: Node) -> LevelPattern | None:
        before = len(self._problems)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not _is_component(axis, node.value):
            level = self._axes.called(axis, node.value) if self._axes.whole else LevelPattern(node.value)
        else:
            parts = [
                read_pattern(axis, item, self._axes.families(axis), self._problems) for item in yaml_file.items(node)
            ]
            level = LevelPattern(_written(node), tuple(part for part in parts if part is not None))
        if len(self._problems) > before or (self._axes.whole and not self._has(axis, level, node.at)):
            return None
        return level

    def _has(self, axis: str, level: LevelPattern, at: At) -> bool:
        if self._axes.has(axis, level):
            return True
        names = {family.component.name for family in self._axes.families(axis)}
        known = [*sorted(names), *(label for label in self._axes.labels(axis)[:40] if label not in names)]
        self._add(
            at, f"is about {shown(level.written)}, which is no level of {axis} here; {near(level.written, known)}"
        )
        return False

    def _measure(self, written: WrittenClaim) -> Measure | None:
        at = self._node.entries["on"].value.at
        if isinstance(written.on, Reach):
            if written.on.of in reachable():
                return time_to(written.on.reach, written.on.of, written.on.clock)
            self._add(at, f"cannot reach a value of {written.on.of!r}; {near(written.on.of, reachable())}")
            return None
        measure = measure_named(written.on)
        if measure is None:
            self._add(at, f"is on {written.on!r}, which no table has; {near(written.on, measure_names())}")
        return measure

    def _check_measure(self, sense: str | None, on: Measure) -> None:
        if sense in {"better", "not_worse"} and on.higher_is_better is None:
            self._add(
                self._at(sense), f"is on {on.name}, of which more is neither better nor worse; say higher or lower"
            )
        if on.form == "time":
            for key in ("margin", "over", "more_where", "not_worse"):
                if key in self._node:
                    self._add(self._at(key), f"is on a time, which may be infinite, so it has no {key}")

    def _over(self, written: WrittenClaim) -> Over | None:
        arm = self._arm("over")
        if arm is None:
            return None
        for axis, levels in arm.axes.items():
            if len(levels) >= 2:
                return Over(axis, levels, written.trend == "rises")
        if all(axis in AXES for axis in written.over or ()):
            self._add(self._at("over"), "needs at least two levels in order, such as {model: [small, large]}")
        return None

    def _check_apart(self, claim: Claim) -> None:
        """What is compared has to be different cells."""
        pairs = [("than", claim.first, claim.than), ("less_where", claim.more_where, claim.less_where)]
        for key, one, other in pairs:
            if one is None or other is None:
                continue
            if one.axes.keys() != other.axes.keys():
                told = f"{', '.join(one.axes)} with {', '.join(other.axes)}"
                self._add(self._at(key), f"compares {told}; both sides have to name the same axes")
            elif self._axes.overlap(one, other):
                self._add(self._at(key), f"compares cells with themselves: {one} and {other} have some in common")
        for one, other in combinations(claim.over.arms if claim.over else (), 2):
            if self._axes.overlap(one, other):
                self._add(self._at("over"), f"compares cells with themselves: {one} and {other} have some in common")


def _is_component(axis: str, name: str) -> bool:
    return name in registry.names(axis) or (":" in name and "(" not in name)


def _written(node: Node) -> str:
    """`sgd(lr=0.1)`, `dropout+weight_decay`."""
    return "+".join(_written_part(plain(item)) for item in yaml_file.items(node))


def _written_part(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    values = ",".join(f"{key}={shown(value)}" for key, value in part.items() if key != "name")
    return f"{part.get('name')}({values})" if values else str(part.get("name"))
