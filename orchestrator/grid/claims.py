"""What a grid claims before it is run: which cells are better than which others, by what measure, and by how much."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import combinations, islice
from math import ceil, log2
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from clusters.yaml_file import At, YamlList, YamlMapping, YamlText
from orchestrator.grid.axes import OfAxes, Reading, read_before
from orchestrator.grid.fair import Fair
from orchestrator.grid.levels import AxisEntry, ComponentValues, Parts, acting, label_of, shown_in
from orchestrator.grid.measures import Measure, is_reachable, measure_named, near_measure, reachable, time_to
from orchestrator.grid.mistakes import Gathering, Mistake, each, mistake, near, shown
from orchestrator.grid.rules import Pattern, read_pattern
from orchestrator.grid.settings import Section
from trainables.registry import registry

VERSION: Final = 1
"""Raised when the same words come to claim something else."""

ALPHA: Final = 0.05
"""The chance of any false verdict among all claims of a grid where nothing differs from its margin."""

_LOOKED_AT: Final = 20_000
"""Levels of an axis whose labels are compared; a claim about more has to name components."""
_SENSES: Final = ("better", "higher", "lower", "not_worse")

Kind = Literal["difference", "interaction", "trend", "gap", "time to target", "non-inferiority"]
Sense = Literal["better", "higher", "lower", "not_worse"]


@dataclass(frozen=True, slots=True)
class LevelPattern:
    """Levels of one axis, as a claim names them."""

    written: str
    """For display."""
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

    @property
    def arms(self) -> tuple[Arm, ...]:
        return tuple(Arm({self.axis: (level,)}) for level in self.levels)


# The levels that a claim names, as components or as the tables call them.


def _named_levels(written: Any, info: ValidationInfo) -> tuple[LevelPattern, ...]:
    """One level or a list of them; a list in the list is one level of several parts, as under `axes`."""
    read = partial(_level, str(info.field_name), reading=read_before(info))
    if not isinstance(written, YamlList):
        return (read(written),)
    if not written:
        raise mistake("an empty list matches nothing")
    return tuple(each(read, enumerate(written)))


def _level(axis: str, written: Any, reading: Reading) -> LevelPattern:
    if isinstance(written, YamlText) and not _is_component(axis, written):
        level = LevelPattern(str(written)) if reading.labels is None else _called(reading, axis, written)
    else:
        read = partial(read_pattern, axis, param_grids=reading.param_grids(axis))
        parts = each(read, enumerate(written)) if isinstance(written, YamlList) else [read(written)]
        level = LevelPattern(_written(written), tuple(parts))
    if reading.labels is None or any(may_match(level.parts, entry) for entry in reading.entries[axis]):
        return level
    names = {param_grid.component.name for param_grid in reading.param_grids(axis)}
    labels = [_label(reading, axis, parts) for parts in islice(_levels(reading, axis), 40)]
    known = [*sorted(names), *(label for label in labels if label not in names)]
    message = f"is about {shown(level.written)}, which is not a level of {axis} here; {near(level.written, known)}"
    raise mistake(message, named=True)


def _is_component(axis: str, name: str) -> bool:
    return name in registry.names(axis) or (":" in name and "(" not in name)


def _called(reading: Reading, axis: str, label: str) -> LevelPattern:
    """The level with this label, in the grid or as the tables show it. Without parts where there is none."""
    assert reading.labels is not None
    for parts in _levels(reading, axis):
        if label == _label(reading, axis, parts):
            names = reading.labels[axis]
            return LevelPattern(str(label), tuple(_pattern(part, names.telling(part)) for part in acting(parts)))
        if len(parts) == 1 and (keys := shown_in(parts[0].component, parts[0].values, label)):
            return LevelPattern(str(label), (_pattern(parts[0], keys),))
    return LevelPattern(str(label))


def _label(reading: Reading, axis: str, parts: Parts) -> str:
    assert reading.labels is not None
    return label_of(parts, reading.labels[axis])


def _levels(reading: Reading, axis: str) -> Iterator[Parts]:
    return islice((parts for entry in reading.entries[axis] for parts in entry), _LOOKED_AT)


def _overlap(reading: Reading, one: Arm, other: Arm) -> bool:
    """Whether some cell is in both, as far as the first levels of each axis tell."""
    return all(
        any(_is_any(one.axes[axis], parts) and _is_any(other.axes[axis], parts) for parts in _levels(reading, axis))
        for axis in one.axes.keys() & other.axes.keys()
    )


def may_match(patterns: tuple[Pattern, ...], entry: AxisEntry) -> bool:
    """Whether some level of an entry is exactly of such parts."""
    some = [param_grid for param_grid in entry.param_grids if param_grid.component.name != "none"] or list(
        entry.param_grids[:1]
    )
    return len(some) == len(patterns) and all(
        any(pattern.may_match(param_grid) for param_grid in some) for pattern in patterns
    )


def _is_any(levels: Sequence[LevelPattern], parts: Parts) -> bool:
    return any(_match(level.parts, parts) for level in levels)


def _pattern(part: ComponentValues, keys: Iterable[str]) -> Pattern:
    return Pattern(part.component, {key: frozenset([part.values[key].text]) for key in keys})


def _match(patterns: tuple[Pattern, ...], parts: Parts) -> bool:
    some = acting(parts)
    return len(some) == len(patterns) and all(any(pattern.matches(part) for part in some) for pattern in patterns)


def _written(level: Any) -> str:
    """`sgd(lr=0.1)`, `dropout+weight_decay`."""
    return "+".join(map(_written_part, level if isinstance(level, YamlList) else [level]))


def _written_part(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    values = ",".join(f"{key}={shown(value)}" for key, value in part.items() if key != "name")
    return f"{part.get('name')}({values})" if values else str(part.get("name"))


class WrittenArm(OfAxes[Annotated[tuple[LevelPattern, ...], PlainValidator(_named_levels)]]):
    """Axes and their levels."""


def _arm(written: Any, info: ValidationInfo) -> Arm:
    if written is None:  # of `where` everything is commented out
        return Arm()
    read = WrittenArm.model_validate(written, context=info.context)
    if not written:
        raise ValueError("it has to name an axis and its levels")
    return Arm({axis: getattr(read, axis) for axis in written})


_Arm = Annotated[Arm, PlainValidator(_arm, json_schema_input_type=WrittenArm)]


def _order(written: Any, info: ValidationInfo) -> Over:
    axes = _arm(written, info).axes
    if len(axes) > 1:
        raise mistake("has over with several axes; it takes at most 1", of_key=True, named=True)
    ((axis, levels),) = axes.items()
    if len(levels) < 2:
        example = "such as {model: [small, large]}"
        raise mistake(f"needs at least two levels in order, {example}", of_key=True, named=True)
    return Over(axis, levels)


class Reach(Section):
    """How long until validation is good enough."""

    reach: float
    """The target."""
    of: Annotated[str, Field(min_length=1)] = "val_accuracy"
    """The column of `epochs` that has to reach it."""
    clock: Literal["seconds", "epochs"] = "seconds"
    """Whether training time is counted, or epochs."""


def _measure(written: Any) -> Measure:
    if isinstance(written, YamlMapping):
        reach = Reach.model_validate(written)
        if is_reachable(reach.of):
            return time_to(reach.reach, reach.of, reach.clock)
        raise mistake(f"cannot reach a value of {reach.of!r}; {near(reach.of, reachable())}", named=True)
    if not isinstance(written, YamlText):
        raise ValueError(f"a measure is a column such as test_accuracy, or a mapping with reach, not {shown(written)}")
    measure = measure_named(str(written))
    if measure is None:
        raise mistake(f"is on {str(written)!r}, which no table has; {near_measure(written)}", named=True)
    return measure


class Claim(Section):
    """What is claimed before the grid is run, and what `orch claims` gives a verdict on."""

    _at: At = PrivateAttr()
    _digest: str = PrivateAttr()

    id: Annotated[str, Field(min_length=1, max_length=40)]
    """Short, such as H1."""
    text: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(lambda text: " ".join(text.split()))]
    """The claim in words."""
    better: _Arm | None = None
    """The cells that are claimed to be better: axes and their levels."""
    higher: _Arm | None = None
    """In place of `better`: cells whose measure is claimed to be higher."""
    lower: _Arm | None = None
    """In place of `better`: cells whose measure is claimed to be lower."""
    not_worse: _Arm | None = None
    """In place of `better`: cells that are claimed to be worse by less than `margin`."""
    than: _Arm | None = None
    """The cells that they are compared with; the same axes."""
    on: Annotated[Measure, PlainValidator(_measure, json_schema_input_type=str | Reach)]
    """A measured column such as test_accuracy, one of a class such as test_recall[defect], a gap such as accuracy_gap,
    diverged, or {reach: 0.9, of: val_accuracy}."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """By how much at least."""
    more_where: _Arm | None = None
    """The difference is claimed to be larger here ..."""
    less_where: _Arm | None = None
    """... than here."""
    over: Annotated[Over, PlainValidator(_order, json_schema_input_type=WrittenArm)] | None = None
    """One axis and its levels in order: the measure, or the difference, is claimed to change along it."""
    trend: Literal["rises", "falls"] = "rises"
    """Which way it changes along `over`."""
    where: _Arm = Arm()
    """The cells that the claim is about; all when not given."""
    scope: Literal["these_pictures", "pictures_like_these"] = "pictures_like_these"
    """What the verdict is about: these test pictures, or all that could have been drawn in their place."""
    fair: Fair | None = None
    """What its arms must also have in common: if they do not, the claim is confounded."""

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, written: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        claim = handler(written)
        claim._at, claim._digest = written.at, claim_digest(written)
        with Gathering() as gathering:
            gathering.add(*_wrong_keys(claim), *_unfit(claim))
        with Gathering() as gathering:
            gathering.add(*_not_apart(claim, read_before(info)))
        return claim

    @property
    def at(self) -> At:
        """Where it stands."""
        return self._at

    @property
    def digest(self) -> str:
        """Of all that is written but the id: another digest is another claim."""
        return self._digest

    @property
    def sense(self) -> Sense:
        """What the first arm is said to be. Of a trend of one measure: `higher`."""
        return next((sense for sense in _SENSES if getattr(self, sense) is not None), "higher")

    @property
    def first(self) -> Arm | None:
        """None where the claim is a trend of one measure, not of a difference."""
        arm: Arm | None = getattr(self, self.sense)
        return arm

    @property
    def rises(self) -> bool:
        """Whether the claim is that the measure rises along `over`, from its first level to the last."""
        return self.trend == "rises"

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


def min_seeds(claims: int) -> int:
    """Fewer pairs cannot decide one of so many claims: of n signs the two most extreme patterns have the share 2 / 2^n."""
    return ceil(log2(2 * claims / ALPHA))


def claim_digest(written: Mapping[str, Any]) -> str:
    """16 hex digits. written: the claim as it stands in the grid."""
    meaning = {key: value for key, value in written.items() if key != "id"}
    canonical = json.dumps([VERSION, meaning], sort_keys=True, separators=(",", ":"), default=str)
    return blake2b(canonical.encode(), digest_size=8).hexdigest()


def _wrong(sentence: str, *keys: str) -> Mistake:
    """keys: the key that is wrong; none where the claim as a whole is."""
    return Mistake(sentence, keys, of_key=bool(keys), named=True)


def _wrong_keys(read: Claim) -> Iterator[Mistake]:
    """Which keys go together."""
    given = read.model_fields_set
    senses = [key for key in _SENSES if key in given]
    if len(senses) > 1:
        yield _wrong(f"has {' and '.join(senses)}; keep one of them", senses[1])
    if bool(senses) != ("than" in given):
        yield _wrong(f"needs {'than' if senses else 'one of better, higher, lower and not_worse'}")
    elif not senses and "over" not in given:
        yield _wrong("needs better and than, or over: one axis and its levels in order")
    if ("more_where" in given) != ("less_where" in given):
        yield _wrong("needs both more_where and less_where")
    if {"more_where", "over"} <= given:
        yield _wrong("has over and more_where; make two claims of it", "over")
    if "more_where" in given and not senses:
        yield _wrong("needs better and than: it is their difference that is larger somewhere")
    if "trend" in given and "over" not in given:
        yield _wrong("needs over: one axis and its levels in order", "trend")
    if "not_worse" in senses and given & {"over", "more_where"}:
        yield _wrong("is about a margin, so it has no over and no more_where", "not_worse")
    if "not_worse" in senses and "margin" not in given:
        yield _wrong("needs a margin: how much worse is still not worse?", "not_worse")


def _unfit(read: Claim) -> Iterator[Mistake]:
    """What such a measure cannot have."""
    if read.sense in {"better", "not_worse"} and read.on.higher_is_better is None:
        yield _wrong(f"is on {read.on.name}, which has no better direction; say higher or lower", read.sense)
    if read.on.form == "time":
        for key in ("margin", "over", "more_where", "not_worse"):
            if key in read.model_fields_set:
                yield _wrong(f"is on a time, which may be infinite, so it has no {key}", key)


def _not_apart(claim: Claim, reading: Reading) -> Iterator[Mistake]:
    """What is compared has to be different cells."""
    if reading.labels is None:
        return
    for key, one, other in (("than", claim.first, claim.than), ("less_where", claim.more_where, claim.less_where)):
        if one is None or other is None:
            continue
        if one.axes.keys() != other.axes.keys():
            message = f"{', '.join(one.axes)} with {', '.join(other.axes)}"
            yield _wrong(f"compares {message}; both sides have to name the same axes", key)
        elif _overlap(reading, one, other):
            yield _wrong(f"compares cells with themselves: {one} and {other} have some in common", key)
    for one, other in combinations(claim.over.arms if claim.over else (), 2):
        if _overlap(reading, one, other):
            yield _wrong(f"compares cells with themselves: {one} and {other} have some in common", "over")
