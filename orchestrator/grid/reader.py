"""A grid file to a GridSpec: every mistake reported at once, and what is allowed and may be one."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from clusters.yaml_file import At, YamlMapping
from orchestrator.errors import Problem, UserError
from orchestrator.grid.axes import Entries, Reading
from orchestrator.grid.axis import Axis
from orchestrator.grid.claims import min_seeds
from orchestrator.grid.display import ambiguous
from orchestrator.grid.grid_file import GridFile
from orchestrator.grid.levels import Labels
from orchestrator.grid.looks import LookPlan
from orchestrator.grid.mistakes import Placed, flattened, grid_error, reported
from orchestrator.grid.rules import Exclude, Override, labels_of
from orchestrator.grid.settings import Wandb
from orchestrator.grid.source import parse_source, read_source
from orchestrator.grid.spec import Axes, GridSpec
from orchestrator.text import counted
from results_schema.measured import finders
from trainables import AXES
from trainables.protocol import Protocol


def read_grid(path: Path) -> GridSpec:
    """Read and validate a grid file.

    Raises UserError where the file cannot be read, and GridError with all that is wrong in it.
    """
    return _read(read_source(path), path)


def read_text(text: str, path: Path) -> GridSpec:
    """The same of a grid's text. path: what it is called where something is wrong. Raises GridError."""
    return _read(parse_source(text, path), path)


def _read(root: YamlMapping, path: Path) -> GridSpec:
    reading = Reading(root)
    try:
        file = GridFile.model_validate(root, context=reading)
    except ValidationError as error:
        raise grid_error(path, reported(flattened(error), root, root.at, "", GridFile)) from None
    if unclear := [fault for axis in AXES for fault in ambiguous(axis, reading.param_grids(axis))]:
        raise grid_error(path, unclear)
    labels = labels_of(reading, file.overrides)
    axes = _expanded(file.axes.entries, labels, file.zip)
    if unequal := list(_unequal(axes, file.zip)):
        raise grid_error(path, [(root["zip"].places[index], message) for index, message in unequal])
    if never := list(_never_decided(root, file, axes)):
        raise grid_error(path, never)
    wandb = root.get("wandb")
    idle = _idle_keys(wandb.places, file.wandb, file.protocol, file.overrides) if wandb else ()
    added = tuple(_expanded(cell.entries, labels, ()) for cell in file.include)
    doubts = (*idle, *_unmeasured(file))
    warnings = tuple(_warnings(path, axes, (*file.exclude, *file.overrides), reading, doubts))
    most, seeds = file.seeds.most, file.seeds.values
    if most is not None:
        seeds = range(LookPlan.until(most, len(file.claims)).sizes[0])
    expanded = {"axes": axes, "include": added, "seeds": seeds, "most": most, "vary": file.seeds.vary}
    return GridSpec(**{**dict(file), **expanded}, path=path, warnings=warnings, written=root)


def _expanded(entries: Entries, labels: Mapping[str, Labels], zips: Sequence[Sequence[str]]) -> Axes:
    """The axes with their levels."""
    walked = {axis for group in zips for axis in group}
    return Axes(*(Axis(axis, entries[axis], labels[axis], axis in walked) for axis in AXES))


def _unequal(axes: Axes, zips: Sequence[Sequence[str]]) -> Iterator[tuple[int, str]]:
    """The groups of axes that cannot be walked level by level."""
    for index, group in enumerate(zips):
        counts = {axis: len(getattr(axes, axis)) for axis in group}
        if len(set(counts.values())) > 1:
            message = " and ".join(f"{axis} has {count}" for axis, count in counts.items())
            yield index, f"zip walks axes level by level, so they need equally many levels: {message}"


def _never_decided(root: YamlMapping, file: GridFile, axes: Axes) -> Iterator[Placed]:
    """What leaves claims open however many seeds are added until they are decided."""
    most, claims = file.seeds.most, max(len(file.claims), file.family or 0)
    if most is None:
        return
    places, least = root["seeds"].places, min_seeds(max(1, claims))
    if not file.claims:
        yield places["until"], "seeds.until: decided needs claims: say under `claims` what is to be decided"
    elif most * len(axes.dataset) < least:
        message = f"seeds.most: {most} cannot decide any of {counted(claims, 'claim')}"
        yield places["most"], f"{message}, whatever they show; it takes at least {least}"
    if file.tuning is not None and file.tuning.repetitions > 1:
        message = "claims are decided by tuning.repetitions, and more seeds do not add any"
        yield root["tuning"].places["repetitions"], f"{message}; give a fixed number of seeds, or 1 repetition"


def _unmeasured(file: GridFile) -> Iterator[tuple[At, str]]:
    """Where a claim stands on a figure that a measurement finds out, and this grid does not ask for. `orch measure` may."""
    there = {type(one) for one in file.measure}
    for claim in file.claims:
        finder = finders().get(claim.on.column)
        if finder is not None and finder not in there:
            message = f"the claim {claim.id} is on {claim.on.name}, which no measurement of this grid finds out"
            yield claim.at, f"{message}; add `measure: {finder.name}`, or run `orch measure RESULTS {finder.name}`"


# What the section `wandb` asks for and cannot have: each is allowed, and nothing would come of it.


def _idle_keys(
    places: Mapping[str, At], wandb: Wandb, protocol: Protocol, overrides: Sequence[Override]
) -> Iterator[tuple[At, str]]:
    """Where such a key stands, and why it comes to nothing. places: of the section's values."""
    asked = {"live": wandb.live == "on", "artifacts": wandb.artifacts == "best", "alert": wandb.alert != "none"}
    for key in (key for key, is_asked in asked.items() if is_asked):
        at, value = places[key], getattr(wandb, key)
        if key == "live" and wandb.mode in ("offline", "disabled"):  # the others come with `orch wandb push`
            yield at, f"wandb.live: on has no effect with wandb.mode: {wandb.mode}, which sends nothing"
        elif wandb.runs == "cells":
            yield at, f"wandb.{key}: {value} has no effect with wandb.runs: cells, which is for trials"
        elif key == "artifacts" and not _keeps_weights(protocol, overrides):
            yield at, "wandb.artifacts: best sends the weights that trials keep; set protocol.keep_weights: best too"


def _keeps_weights(protocol: Protocol, overrides: Sequence[Override]) -> bool:
    """Whether any trial may keep them."""
    settings = [setting for override in overrides for setting in override.settings.get("protocol", ())]
    return protocol.keep_weights == "best" or any(
        setting.keys == ("keep_weights",) and setting.value == "best" for setting in settings
    )


def _warnings(
    path: Path, axes: Axes, rules: Sequence[Exclude | Override], reading: Reading, others: Iterable[tuple[At, str]]
) -> list[Problem]:
    found: list[tuple[At, str]] = [
        (at, f"levels of the axis {axis.name} that repeat earlier ones, written another way: left out")
        for axis in axes
        for at in axis.repeated
    ]
    found += [
        (rule.at, f"{rule.name} matches no cell of this grid")
        for rule in rules
        if not all(
            any(
                pattern.may_match(param_grid)
                for pattern in selected.patterns
                for param_grid in reading.param_grids(axis)
            )
            for axis, selected in rule.selector.axes.items()
        )
    ]
    return [Problem(str(path), at.line, at.column, message) for at, message in sorted([*found, *others])]


# The commented grid that `orch init` writes.


def write_starter(path: Path, *, sweep: Path | None = None) -> None:
    """Write a valid grid to start from, named after the file. Never overwrites. Raises UserError.

    sweep: a W&B sweep file that it is made of. What of that no grid may have raises GridError; the file is there then.
    """
    if sweep is None:
        starter = Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
        text = starter.format(name=_grid_name(path), file=path)
    else:
        from orchestrator.grid.from_wandb import grid_of_sweep

        text = grid_of_sweep(sweep, _grid_name(path))
    try:
        with path.open("x", encoding="utf-8") as fresh:
            fresh.write(text)
    except FileExistsError:
        raise UserError(f"{path} exists; orch init does not overwrite it, give another name") from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    if sweep is not None:
        read_text(text, path)


def _grid_name(path: Path) -> str:
    """A sweep name as near to the file's as the rules for names allow."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100]
    return plain or "my-sweep"
