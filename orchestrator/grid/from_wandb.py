"""A grid from a W&B sweep file: what of it has a place in a grid stands there, and what has none is told in a comment."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from clusters.yaml_file import YamlMapping
from orchestrator.grid.mistakes import shown
from orchestrator.grid.sweep_file import SweepFile, Swept, is_number, read_sweep_file, yaml
from trainables.component import Component
from trainables.errors import UnknownComponent
from trainables.registry import registry

_BUDGET: Final = 16
"""Trials that tune a cell where the sweep has no `run_cap`."""
_METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "val_accuracy": ("val_accuracy", "val_acc", "validation_accuracy", "valid_acc", "accuracy", "acc"),
    "val_loss": ("val_loss", "validation_loss", "valid_loss", "loss"),
}
_IN_PLACE: Final = {"dataset": "digits", "model": "cnn", "optimizer": "adam"}
"""What a grid begins with where the sweep names nothing."""
_SEARCHES: Final = {"grid": "grid", "random": "random", "bayes": "tpe"}


@dataclass
class _Draft:
    """A grid that is being made of a sweep."""

    sweep: SweepFile
    left_out: list[str]
    """What has no place in it, a line for each."""

    def take(self, meaning: str) -> Swept | None:
        return self.sweep.parameters.get(meaning)

    def single(self, meaning: str) -> Any:
        """The one value of a parameter; of several the first, which is told."""
        parameter = self.take(meaning)
        if parameter is None:
            return None
        if parameter.within is not None or len(parameter.values) > 1:
            taken = parameter.values[0] if parameter.values else None
            kept = "its default stays" if taken is None else f"{yaml(taken)} is taken"
            self.left_out.append(f"{parameter.name} {parameter.written}: one value for all trials, {kept}")
        return parameter.values[0] if parameter.values else None


def grid_of_sweep(path: Path, name: str) -> str:
    """Return the text of a grid that is called so. Raises UserError (an unreadable file), GridError (no sweep file)."""
    sweep = read_sweep_file(path)
    draft = _Draft(sweep, list(sweep.left_out))
    tuned = list(_tuned(draft))
    body = [
        *_axes(draft, {key for key, _ in tuned}),
        *_seeds(draft),
        *_protocol(draft),
        *_tuning(draft, tuned),
        *_wandb(draft),
    ]
    head = [f"# Made from the W&B sweep file {json.dumps(path.name)}, going by names alone: look through it."]
    if draft.left_out:
        head += ["#", "# Not taken over:", *(f"#   {line}" for line in draft.left_out)]
    return "\n".join([*head, "", f"name: {name}", "", *body, ""])


def _axes(draft: _Draft, tuned: set[str]) -> Iterator[str]:
    yield "axes:"
    yield from _named(draft, "dataset", lambda _: "")
    yield from _named(draft, "model", partial(_own, draft, "model", tuned=tuned))
    yield from _named(draft, "optimizer", partial(_own, draft, "optimizer", tuned=tuned))
    yield from _regularizers(draft, tuned)
    used = {"dataset", "model", "optimizer", "dropout", "seed", "epochs", "batch_size", "schedule"}
    used |= {key for axis in ("model", "optimizer") for found in _components(draft, axis) for key in found.model_fields}
    for meaning, parameter in draft.sweep.parameters.items():
        if meaning not in used:
            draft.left_out.append(f"{parameter.name} {parameter.written}: not a parameter of anything in this grid")
    yield ""


def _named(draft: _Draft, axis: str, parameters: Callable[[type[Component]], str]) -> Iterator[str]:
    """An axis and its levels, a line each."""
    yield f"  {axis}:"
    for component in _components(draft, axis):
        own, name = parameters(component), _name(component)
        yield f"    - {{name: {name}{own}}}" if own else f"    - {name}"
    parameter = draft.take(axis)
    values = parameter.values if parameter else ()
    for value in (value for value in values if _component(axis, value) is None):
        draft.left_out.append(f"{axis} {shown(value)}: orch has none of that name (`orch list {axis}s`)")
    if not any(_component(axis, value) for value in values):
        why = "the sweep names none that orch has" if values else "the sweep does not say which"
        draft.left_out.append(f"{axis}: {why}; {_IN_PLACE[axis]} is used in its place")


def _components(draft: _Draft, axis: str) -> list[type[Component]]:
    """Those of an axis, each once."""
    parameter = draft.take(axis)
    found = [_component(axis, value) for value in parameter.values] if parameter else []
    return list(dict.fromkeys(one for one in found if one)) or [registry.get(axis, _IN_PLACE[axis])]


def _name(component: type[Component]) -> str:
    return component.name if component.name.isidentifier() else yaml(component.name)


def _component(axis: str, value: Any) -> type[Component] | None:
    plain = str(value).strip()
    for name in (plain, plain.lower(), *([f"torchvision:{plain.lower()}"] if axis == "model" else [])):
        try:
            return registry.get(axis, name)
        except UnknownComponent:
            continue
    return None


def _own(draft: _Draft, axis: str, component: type[Component], *, tuned: set[str]) -> str:
    """The component's parameters that the sweep has, as `, lr: [0.1, 0.01]`."""
    own = [key for key in component.model_fields if key in draft.sweep.parameters and f"{axis}.{key}" not in tuned]
    return "".join(f", {key}: {draft.sweep.parameters[key].level}" for key in own)


def _regularizers(draft: _Draft, tuned: set[str]) -> Iterator[str]:
    yield "  regularizer:"
    dropout = draft.take("dropout")
    if dropout is None or "regularizer.p" in tuned:
        yield "    - dropout" if dropout else "    - none"
        return
    rates = [rate for rate in dropout.values if rate not in (0, None)]
    if len(rates) < len(dropout.values):
        yield "    - none"
    if rates:
        yield f"    - {{name: dropout, p: {yaml(rates[0] if len(rates) == 1 else rates)}}}"


def _seeds(draft: _Draft) -> Iterator[str]:
    parameter = draft.take("seed")
    if parameter is not None and parameter.values:
        yield f"seeds: {yaml(list(parameter.values))}"
    else:
        if parameter is not None:
            draft.left_out.append(f"{parameter.name} {parameter.written}: write the number of seeds")
        yield "seeds: 1 # how often each combination runs: more seeds show how sure a difference is"
    yield ""


def _protocol(draft: _Draft) -> Iterator[str]:
    yield "protocol:"
    for key, default in (("epochs", 10), ("batch_size", 64)):
        value = draft.single(key)
        yield f"  {key}: {yaml(default if value is None else value)}"
    schedule = draft.single("schedule")
    if schedule is not None and (found := _component("schedule", schedule)) is not None:
        yield f"  schedule: {yaml(found.name)}"
    elif schedule is not None:
        draft.left_out.append(f"schedule {shown(schedule)}: orch has none of that name (`orch list schedules`)")
    metric = draft.sweep.other.get("metric")
    name = str(metric.get("name", "")) if isinstance(metric, YamlMapping) else ""
    last = re.split(r"[/.]", name.lower().replace("-", "_"))[-1]
    asked = {last, name.lower().replace("/", "_").replace("-", "_")}
    selected = next((measure for measure, names in _METRICS.items() if asked & set(names)), None)
    if selected is not None:
        yield f"  select: {selected}"
    elif name:
        draft.left_out.append(
            f"metric {shown(name)}: no measure of that name; protocol.select says what epochs are chosen by"
        )
    yield ""


def _tuned(draft: _Draft) -> Iterator[tuple[str, str]]:
    """What is tuned, and its space: all ranges; under a random search and a Bayesian one what lists of numbers hold too."""
    searched = draft.sweep.method in {"random", "bayes"}
    for axis in ("optimizer", "model"):
        keys = dict.fromkeys(key for component in _components(draft, axis) for key in component.model_fields)
        for key in keys:
            parameter = draft.take(key)
            if parameter is None:
                continue
            numbers = len(parameter.values) > 1 and all(map(is_number, parameter.values))
            if parameter.within is not None or (searched and numbers and axis == "optimizer"):
                yield f"{axis}.{key}", parameter.written
    dropout = draft.take("dropout")
    if dropout is not None and dropout.within is not None:
        yield "regularizer.p", dropout.written


def _tuning(draft: _Draft, tuned: Sequence[tuple[str, str]]) -> Iterator[str]:
    search = _SEARCHES.get(draft.sweep.method)
    if search is None:
        draft.left_out.append(f"method {shown(draft.sweep.method)}: orch has {', '.join(_SEARCHES)}")
    if not tuned:
        if draft.sweep.method in {"random", "bayes"}:
            draft.left_out.append(
                f"method {draft.sweep.method}: a grid runs all combinations; tuning draws from ranges"
            )
        return
    cap = draft.sweep.other.get("run_cap")
    budget = cap if isinstance(cap, int) and not isinstance(cap, bool) and cap > 0 else _BUDGET
    yield "tuning: # for each combination by itself, on validation"
    yield f"  trials: {budget}"
    yield f"  search: {'random' if search in (None, 'grid') else search}"
    if "early_terminate" in draft.sweep.other:
        yield "  scheduler: asha"
    yield "  space:"
    yield from (f"    {key}: {space}" for key, space in tuned)
    yield ""


def _wandb(draft: _Draft) -> Iterator[str]:
    yield "wandb:"
    yield "  mode: auto"
    for key in ("project", "entity"):
        if isinstance(value := draft.sweep.other.get(key), str):
            yield f"  {key}: {yaml(value)}"
