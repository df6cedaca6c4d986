"""A W&B sweep file: its parameters, and what each means in a grid.

A sweep file (https://docs.wandb.ai/guides/sweeps/sweep-config-keys) names parameters of a program that it does not say
anything about, so that their meaning is read from their names, as training scripts mostly have them. Nothing of the file
is executed, `program` and `command` least of all.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.yaml_file import YamlMapping
from orchestrator.errors import GridError, Problem
from orchestrator.grid.mistakes import shown
from orchestrator.grid.source import read_source

_MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "dataset": ("dataset", "data", "dataset_name"),
    "model": ("model", "model_name", "architecture", "arch", "network", "net", "backbone"),
    "optimizer": ("optimizer", "optimizer_name", "optim", "opt"),
    "dropout": ("dropout", "dropout_rate", "dropout_p", "drop_rate"),
    "seed": ("seed", "random_seed"),
    "epochs": ("epochs", "num_epochs", "n_epochs", "max_epochs"),
    "batch_size": ("batch_size", "batchsize", "bs", "train_batch_size"),
    "schedule": ("schedule", "scheduler", "lr_scheduler"),
    "lr": ("lr", "learning_rate", "learningrate"),
    "weight_decay": ("weight_decay", "wd"),
}


@dataclass(frozen=True, slots=True)
class SweptRange:
    """All numbers between two."""

    low: float
    high: float
    log: bool

    @property
    def written(self) -> str:
        return f"[{self.low!r}, {self.high!r}, {'log' if self.log else 'linear'}]"


@dataclass(frozen=True, slots=True)
class Swept:
    """One parameter of the sweep."""

    name: str
    values: tuple[Any, ...]
    within: SweptRange | None = None
    """In place of values."""

    @property
    def written(self) -> str:
        return self.within.written if self.within else yaml(list(self.values))

    @property
    def level(self) -> str:
        """As a parameter of a component has it: each of several values is a level."""
        return yaml(self.values[0]) if len(self.values) == 1 else self.written


@dataclass(frozen=True, slots=True)
class SweepFile:
    """What a sweep file says."""

    method: str
    parameters: Mapping[str, Swept]
    """By what they mean in a grid (`lr`), else by the last part of their own name."""
    other: YamlMapping
    """All of the file."""
    left_out: tuple[str, ...]
    """Parameters of which nothing can be read, a line for each."""


def read_sweep_file(path: Path) -> SweepFile:
    """Raises UserError (it cannot be read), GridError (it is no sweep file)."""
    root = read_source(path)
    written = root.get("parameters")
    if not isinstance(written, YamlMapping) or not written:
        at = root.places.get("parameters", root.at)
        message = "a W&B sweep file has a mapping of parameters; this has none"
        raise GridError([Problem(str(path), at.line, at.column, message)])
    left_out: list[str] = []
    found: dict[str, Swept] = {}
    for name, of in _flat(written, ""):
        parameter = _parameter(name, of)
        if parameter is None:
            left_out.append(f"{_plain(name)} {shown(of)}: neither a list of values nor a range that a grid can have")
        elif (meaning := _meaning(name)) in found:
            left_out.append(f"{_plain(name)} {parameter.written}: {found[meaning].name} already says it")
        else:
            found[meaning] = parameter
    return SweepFile(str(root.get("method", "grid")), found, root, tuple(left_out))


def _flat(parameters: YamlMapping, prefix: str) -> Iterator[tuple[str, Any]]:
    """Nested parameters by dotted names."""
    for name, of in parameters.items():
        nested = of.get("parameters") if isinstance(of, YamlMapping) else None
        if isinstance(nested, YamlMapping):
            yield from _flat(nested, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", of


def _parameter(name: str, of: Any) -> Swept | None:
    if not isinstance(of, YamlMapping):
        return None
    if "value" in of:
        return Swept(_plain(name), (of["value"],))
    if isinstance(of.get("values"), list) and of["values"]:
        return Swept(_plain(name), tuple(of["values"]))
    low, high, law = of.get("min"), of.get("max"), str(of.get("distribution", "uniform")).removeprefix("q_")
    if low is None or high is None or not is_number(low) or not is_number(high):
        return None
    if law == "log_uniform":  # its ends are natural logarithms, unlike those of log_uniform_values
        try:
            low, high = math.exp(low), math.exp(high)
        except OverflowError:
            return None
    if law not in {"uniform", "int_uniform", "log_uniform", "log_uniform_values"} or not low < high:
        return None
    return Swept(_plain(name), (), SweptRange(low, high, law.startswith("log")))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _meaning(name: str) -> str:
    """What a parameter is here: by the last part of its name."""
    last = name.rpartition(".")[2].lower().replace("-", "_")
    return next((meaning for meaning, names in _MEANINGS.items() if last in names), last)


def _plain(name: str) -> str:
    """A name as a comment may have it: in one line."""
    return name if re.fullmatch(r"[\w.-]{1,80}", name) else shown(name)


def yaml(value: Any) -> str:
    """JSON, which is YAML too."""
    return json.dumps(value, ensure_ascii=False, default=str)
