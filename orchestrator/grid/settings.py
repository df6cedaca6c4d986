"""What a grid sets apart from its axes: what a trial needs, where W&B runs go, and how any such section is read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestrator.grid import yaml_file
from orchestrator.grid.problems import Problems, flattened
from orchestrator.grid.yaml_file import Entry, Mapping, Node
from trainables.protocol import SecondsOrNone, Splits

Settings = TypeVar("Settings", bound=BaseModel)
Mode = Literal["auto", "online", "offline", "disabled"]
"""How W&B is written to."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where runs go, and of what."""

    project: str
    entity: str | None = None
    runs: Literal["trials", "cells"] = "trials"
    live: Literal["auto", "on", "off"] = "auto"
    tags: tuple[str, ...] = ()
    notes: str | None = None
    artifacts: Literal["best", "none"] = "none"
    alert: Literal["end", "failures", "none"] = "none"


def _share_or_whole(gpus: float) -> float:
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(f"gpus is a share below 1 or a whole number, not {gpus:g}")
    return gpus


def _no_address(name: str) -> str:
    if bad := sorted(set("/\\#?%:") & set(name)):
        raise ValueError(f"it must not hold {' '.join(bad)}; W&B refuses it")
    return name


def _each_once(tags: Sequence[str]) -> Sequence[str]:
    if twice := sorted({tag for tag in tags if tags.count(tag) > 1}):
        raise ValueError(f"tags has {', '.join(twice)} twice")
    return tags


def _one_line(text: str) -> str:
    """What a line of a grid cannot hold may stand in the grid that a results directory brings along."""
    if text != text.strip() or not text.isprintable():
        raise ValueError("it has to be one line, without blanks around it")
    return text


Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_one_line), AfterValidator(_no_address)]
Tag = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_one_line)]
"""As long as W&B takes it."""

_PLAIN_SECTIONS: Final = (Splits,)
"""Sections inside a section whose keys are their fields; a schedule also has a name."""


class Section(BaseModel):
    """A section of the grid, validated strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Resources(Section):
    """What one trial needs."""

    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that train it together, data-parallel."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """Of each worker."""
    gpus: Annotated[float, Field(ge=0), AfterValidator(_share_or_whole)] = 0.0
    """Of each worker; below 1 is a share of one."""


class Wandb(Section):
    """Where W&B runs go."""

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """`auto` is online with a key and offline without."""
    project: Name | None = None
    """The sweep's name when not given."""
    entity: Name | None = None
    """User or team; the key's default when not given."""
    runs: Literal["trials", "cells"] = "trials"
    """`cells` sends one run a cell, with the mean of its seeds and the least and the greatest; for large sweeps."""
    live: Literal["auto", "on", "off"] = "auto"
    """Whether a run is sent while its trial trains; `auto`: where that takes longer than a minute."""
    tags: Annotated[tuple[Tag, ...], AfterValidator(_each_once)] = ()
    """Of every run, beside those that it has anyway."""
    notes: Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_one_line)] | None = None
    """Of every run, in one line."""
    artifacts: Literal["best", "none"] = "none"
    """`best` sends the weights that trials keep (`protocol.keep_weights: best`), the winner's with the alias `best`."""
    alert: Literal["end", "failures", "none"] = "none"
    """`end`: one alert, when all trials have ended; `failures`: one, when the first of them has failed."""

    def destination(self, sweep: str) -> Destination:
        return Destination(
            project=self.project or sweep,
            entity=self.entity,
            runs=self.runs,
            live=self.live,
            tags=self.tags,
            notes=self.notes,
            artifacts=self.artifacts,
            alert=self.alert,
        )


class CheckpointPolicy(Section):
    """How often the state of a trial that runs is kept, so that it goes on from there. `none` keeps nothing."""

    seconds: SecondsOrNone = 5.0
    """At least so long between two checkpoints of a trial, which are of whole epochs; 0 is after every epoch."""
    keep: Literal["unfinished", "last", "best"] = "unfinished"
    """`unfinished`: the last one, until the trial has come to its end; `last`: also afterwards; `best`: the selected
    epoch's too."""


def read_checkpoints(node: Node | None, problems: Problems) -> CheckpointPolicy | None:
    """The section `checkpoints`; None where it says `none`, or where something is wrong with it."""
    if isinstance(node, yaml_file.Scalar):
        if node.value != "none":
            problems.add(node.at, "checkpoints has to be none, or a mapping with the keys seconds and keep")
        return None
    return read_settings(CheckpointPolicy, node, "checkpoints", problems)


def read_settings(section: type[Settings], node: Node | None, name: str, problems: Problems) -> Settings | None:
    """A section of the grid; its defaults where it is not given, None where something is wrong with it."""
    if node is None:
        return section()
    if not isinstance(node, yaml_file.Mapping):
        keys = ", ".join(list(section.model_fields)[:3])
        problems.add(node.at, f"{name} has to be a mapping with keys such as {keys}")
        return None
    known = _known_keys(section, node, name, problems)
    try:
        return section.model_validate_json(json.dumps(yaml_file.plain(known)))
    except ValidationError as error:
        problems.of_validation(flattened(error), known, name)
        return None


def _known_keys(section: type[BaseModel], node: Mapping, name: str, problems: Problems) -> Mapping:
    """The section without the keys that it cannot have, which are noted with near names, in sections inside it too."""
    problems.unknown_keys(node, section.model_fields, f"key of {name}")
    entries = {key: entry for key, entry in node if key in section.model_fields}
    for key, entry in entries.items():
        inner = section.model_fields[key].annotation
        if isinstance(entry.value, Mapping) and isinstance(inner, type) and issubclass(inner, _PLAIN_SECTIONS):
            entries[key] = Entry(entry.at, _known_keys(inner, entry.value, f"{name}.{key}", problems))
    return Mapping(entries, node.at, node.size)


def overlaid(node: Mapping | None, path: list[str], entry: Entry) -> Mapping:
    """A section with the value at a path of keys replaced, or added."""
    entries = {} if node is None else dict(node.entries)
    key, *rest = path
    if rest:
        inner = node.get(key) if node is not None else None
        below = overlaid(inner if isinstance(inner, yaml_file.Mapping) else None, rest, entry)
        entries[key] = Entry(entry.at, below)
    else:
        entries[key] = entry
    return Mapping(entries, entry.at if node is None else node.at, 1)
