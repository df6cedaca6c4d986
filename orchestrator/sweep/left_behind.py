"""Finished trials of a results directory that a grid no longer names, and by what: many of them mostly are a mistake."""

import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.grid.levels import Level
from orchestrator.grid.tuning import POINTS
from orchestrator.plan.cell import Cell
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.sql import TESTS, among
from orchestrator.text import counted
from results_schema import TRAINED, UPDATE
from trainables import AXES
from trainables.component import Component
from trainables.protocol import Protocol
from trainables.registry import registry

_SHOWN: Final = 6
"""Differences, levels and seeds that one reason lists."""
_SINGULAR: Final = {"differ": "differs", "have": "has", "are": "is", "were": "was"}
_AND_HAVE: Final = " and have "
_OF_STREAMS: Final = "are of nets along a stream that the grid does not ask for"
_CONFIGS: Final = tuple(f"{part}_config" for part in (*AXES, "protocol"))
_OTHERS: Final = ("data_fingerprint", "tuning_config", "varied")


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Finished trials that are left behind for one reason."""

    trials: int
    why: str
    """In words that go on from "48 finished trials": the verb first."""

    @property
    def text(self) -> str:
        """`48 finished trials differ in protocol.epochs: 4 -> 5`."""
        return f"{counted(self.trials, 'finished trial')} {self.told}"

    @property
    def told(self) -> str:
        """Why, as a sentence about so many trials."""
        if self.trials != 1:
            return self.why
        verb, rest = self.why.split(" ", 1)
        return f"{_SINGULAR[verb]} {rest}".replace(_AND_HAVE, " and has ", 1)


def left_behind(plan: Plan, journal: Journal, *, of_latest: bool = False) -> tuple[LeftBehind, ...]:
    """The most frequent reason first; empty where every finished trial is named, as one of a cell that is skipped now is.

    of_latest: only of trials that the latest sweep's grid named. Quick: the plan's cells are passed once where all of them
    are named, else twice.
    """
    if plan.missing:
        return ()  # what is not there has no identity yet
    seeds: dict[str, list[int]] = {}
    which = f"status IN {among(TRAINED)} AND {TESTS}{' AND planned' if of_latest else ''}"
    along: set[str] = set()
    for cell_id, seed, purpose in journal.query(f"SELECT cell_id, seed, purpose FROM trials WHERE {which}"):
        seeds.setdefault(cell_id, []).append(seed)
        along.update([cell_id] if purpose == UPDATE else [])
    reasons: Counter[str] = Counter()
    gone = dict(seeds)
    for cell in plan.among(seeds, skipped=True):
        named = plan.seeds_of(cell)
        more = [seed for seed in gone.pop(cell.cell_id) if seed not in named]
        if more:
            reasons["are of seeds that the grid does not name"] += len(more)
    if gone:
        compared = _Compared(plan, journal, seeds)
        for cell_id, own in gone.items():
            reasons[_OF_STREAMS if cell_id in along else compared.why(cell_id)] += len(own)
    most_first = sorted(reasons.items(), key=lambda found: (-found[1], found[0]))
    return tuple(LeftBehind(trials, why) for why, trials in most_first)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a cell has of one axis, or its protocol."""

    key: str
    """Equal for what is the same in an identity."""
    content: str
    """The fingerprint of a data set."""
    name: str = field(compare=False)
    """Of the component, or of several."""
    label: str = field(compare=False)
    values: Mapping[str, str] = field(compare=False)
    """Each parameter that belongs to an identity, with its value as JSON."""


_Parts = tuple[_Part, ...]
_PLACES: Final = (*AXES, "protocol", "tuning", "seeds")
"""What each part of a cell is."""


class _Compared:
    """Cells that a plan lacks, beside those that it has."""

    def __init__(self, plan: Plan, journal: Journal, finished: Container[str]) -> None:
        """finished: the ids of cells with finished trials."""
        self._made: dict[Any, _Part] = {}
        columns = ", ".join(("cell_id", *AXES, *_CONFIGS, *_OTHERS))
        rows = journal.query(f"SELECT {columns} FROM cells")
        self._kept = {row[0]: self._of_row(*row[1:]) for row in rows if row[0] in finished}
        self._planned = {self._of_cell(cell) for cell in plan.resolved()}
        self._of_levels = {parts[: len(AXES)]: parts for parts in self._planned}
        self._known = [set(parts) for parts in zip(*self._planned, strict=True)]
        self._had = [set(parts) for parts in zip(*self._kept.values(), strict=True)]
        self._told: dict[_Parts, str] = {}

    def why(self, cell_id: str) -> str:
        """In words. Cells of the same parts are asked for often."""
        parts = self._kept[cell_id]
        if parts not in self._told:
            self._told[parts] = self._why(parts)
        return self._told[parts]

    def _why(self, parts: _Parts) -> str:
        if parts in self._planned:
            return "were trained under another version of a component, or by another number of workers"
        changes: list[str] = []
        levels: list[str] = []
        if (
            planned := self._of_levels.get(parts[: len(AXES)])
        ) is not None:  # it has these levels, under other settings
            for axis, before, now in list(zip(_PLACES, parts, planned, strict=True))[len(AXES) :]:
                changes += [f"{axis}.{one}" for one in _differences(before, now)]
            return f"differ in {_listed(changes)}"
        for place, part in enumerate(parts):
            if part not in self._known[place]:
                change = self._change(place, part)
                (levels if change is None else changes).append(
                    f"{_PLACES[place]} {part.label}" if change is None else change
                )
        said = [f"differ in {_listed(changes)}"] if changes else []
        said += [f"have {_listed(levels)}, which the grid does not name"] if levels else []
        return " and ".join(said) or "are of combinations that the grid does not name"

    def _change(self, place: int, part: _Part) -> str | None:
        """How a level was changed, where one alone can have come of it; None where it was rather taken out."""
        axis = _PLACES[place]
        of_cells = axis not in AXES  # it is not taken out, it is another
        others = self._known[place] if of_cells else self._known[place] - self._had[place]
        found = sorted((_differences(part, other) for other in others if other.name == part.name), key=_nearness)
        if not found or (not of_cells and len(found) > 1 and len(found[0]) == len(found[1])):
            return None
        at = axis if of_cells else f"{axis} {part.name}"
        return _listed([one if one == _CONTENT else f"{at}.{one}" for one in found[0]])

    def _of_row(self, *values: Any) -> _Parts:
        labels, configs = values[: len(AXES)], values[len(AXES) : -len(_OTHERS)]
        content, tuning, varied = values[-len(_OTHERS) :]
        found = [
            self._part(axis, config, label, content if axis == "dataset" else "")
            for axis, config, label in zip((*AXES, "protocol"), configs, (*labels, "as it was"), strict=True)
        ]
        return (*found, _tuning(json.loads(tuning) if tuning else {}), _varied(varied or ""))

    def _of_cell(self, cell: Cell) -> _Parts:
        settings = cell.settings
        if settings.digest not in self._made:
            self._made[settings.digest] = _part([settings.protocol], "as it was")
        tuning = json.loads(json.dumps(settings.tuning.parameters())) if settings.tuning is not None else {}
        varied = ",".join(settings.variation.sources) if settings.variation is not None else ""
        found = [self._of_level(cell, axis) for axis in AXES]
        return (*found, self._made[settings.digest], _tuning(tuning), _varied(varied))

    def _of_level(self, cell: Cell, axis: str) -> _Part:
        level: Level = getattr(cell, axis)
        content = (cell.data.fingerprint or "") if axis == "dataset" else ""
        key = (axis, level, content)
        if key not in self._made:
            configs = [cell.data.dataset] if axis == "dataset" else level.configs
            self._made[key] = _part(configs, level.label, content)
        return self._made[key]

    def _part(self, axis: str, config: str, label: str, content: str) -> _Part:
        key = (axis, config, content)
        if key not in self._made:
            self._made[key] = _rebuilt(axis, config, label, content)
        return self._made[key]


_CONTENT: Final = "the content of the data"


def _rebuilt(axis: str, config: str, label: str, content: str) -> _Part:
    """The part that a row of the journal tells of."""
    try:
        said = json.loads(config)
        if axis == "protocol":
            return _part([Protocol.from_parameters(said)], label)
        levels = said if isinstance(said, list) else [said]
        return _part([_component(axis, dict(one)) for one in levels], label, content)
    except Exception:  # noqa: BLE001 - a plug-in that is gone, or parameters of before: it is none of the plan's
        return _Part(config, content, "", label, {})


def _tuning(said: dict[str, Any]) -> _Part:
    said = {key: value for key, value in said.items() if key != POINTS}  # no part of what a grid asks for
    values = {key: json.dumps(value) for key, value in _flat(said)}
    return _Part(json.dumps(said, sort_keys=True), "", f"tuned {bool(said)}", "as it was", values)


def _varied(sources: str) -> _Part:
    return _Part(sources, "", "", "as they were", {"vary": sources or "all"})


def _component(axis: str, said: dict[str, Any]) -> Component:
    return registry.get(axis, said.pop("name")).from_parameters(said)


def _part(configs: Sequence[Component], label: str, content: str = "") -> _Part:
    """Regularizers that act together are one part; `none` of them is none."""
    acting = [config for config in configs if config.name != "none" or len(configs) == 1]
    said = [json.loads(config.canonical()) for config in acting]
    names = " and ".join(one["name"] for one in said)
    several = len(said) > 1
    values = {
        f"{one['name']}.{key}" if several else key: json.dumps(value)
        for one in said
        for key, value in _flat(one["parameters"])
    }
    return _Part(json.dumps([[one["name"], one["parameters"]] for one in said]), content, names, label, values)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Parameters, with those within another: `splits.validation`."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", one) for inner, one in _flat(value))
        else:
            yield key, value


def _differences(kept: _Part, planned: _Part) -> list[str]:
    """`epochs: 4 -> 5`; what one side leaves out is at its default there."""
    before, now = kept.values, planned.values
    keys = dict.fromkeys((*before, *now))
    found = [
        f"{key}: {before.get(key, 'default')} -> {now.get(key, 'default')}"
        for key in keys
        if before.get(key) != now.get(key)
    ]
    return found + ([_CONTENT] if kept.content != planned.content else [])


def _nearness(differences: list[str]) -> tuple[int, list[str]]:
    return len(differences), differences


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"
