"""A finished trial as a run of an experiment tracker: names, configuration, epochs, summary. Knows no tracker."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.store import sql
from orchestrator.store.journal import Journal
from results_schema import EPOCHS, TRIALS

Value = str | int | float | bool | list[Any] | None

_LONGEST_NAME: Final = 128
_LONGEST_TAG: Final = 64
_CONFIG: Final = ("seed", "precision", "world_size", "threads", "device", "data_fingerprint")
"""Plain columns that say under what a trial ran."""
_FLAGS: Final = ("compiled", "deterministic")
_SUMMARY: Final = (
    "status",
    "reason",
    "epochs",
    "best_epoch",
    "lr_lowest_loss",
    "lr_diverged",
    *(name for name in TRIALS.columns if name.startswith(("train_", "val_", "test_"))),
    "generated_size",
    "parameters",
    "flops",
    "eval_seconds",
    "setup_seconds",
    "generation_seconds",
    "samples_per_second",
    "latency_ms_p50",
    "latency_ms_p95",
    "peak_memory_bytes",
    "attempts",
)


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that came to an end, and which end."""

    trial_id: str
    attempt: int
    finished_at: int
    """Microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a tracker is told of one trial."""

    run_id: str
    name: str
    group: str
    tags: tuple[str, ...]
    config: dict[str, Value]
    """Flat: `dataset.name`, `model.depth`, `protocol.epochs`, `seed`."""
    epochs: tuple[tuple[int, dict[str, float]], ...]
    """Each epoch with what was measured in it."""
    summary: dict[str, Value]
    succeeded: bool


def finished_trials(journal: Journal) -> Iterator[Finished]:
    """Every trial whose latest attempt came to an end, in the order of the ends."""
    rows = journal.query(
        "SELECT trial_id, attempts, finished_at FROM trials WHERE finished_at IS NOT NULL"
        " AND status IN ('completed', 'diverged', 'failed', 'timed_out', 'out_of_memory') ORDER BY finished_at"
    )
    return (Finished(*row) for row in rows)


def read_run(journal: Journal, trial_id: str, directory_id: str) -> Run:
    """The run of a trial that has finished."""
    statement = f"SELECT * FROM ({sql.select(TRIALS)}) WHERE trial_id = ?"
    row = dict(zip(TRIALS.columns, next(journal.query(statement, (trial_id,))), strict=True))
    label = " · ".join(str(row[axis]) for axis in ("dataset", "model", "optimizer", "regularizer"))
    cell = f" [{row['cell_id']}]"
    names = {_component_name(row[f"{axis}_config"]) for axis in ("dataset", "model", "optimizer", "regularizer")}
    return Run(
        run_id=f"{trial_id}-{directory_id}",
        name=_cut(label, _LONGEST_NAME - 30) + f" · seed {row['seed']}",
        group=_cut(label, _LONGEST_NAME - len(cell)) + cell,
        tags=tuple(_cut(tag, _LONGEST_TAG) for tag in sorted({*names, row["status"], row["sweep"]}) if tag),
        config=_config(row),
        epochs=tuple(_epochs(journal, trial_id)),
        summary={name: row[name] for name in _SUMMARY if _is_value(row[name])},
        succeeded=row["status"] in {"completed", "diverged"},
    )


def flatten(prefix: str, value: Any) -> Iterator[tuple[str, Value]]:
    """Nested mappings as dotted keys. Lists of plain values stay lists."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flatten(f"{prefix}.{key}", part)
    else:
        yield prefix, value


def _config(row: dict[str, Any]) -> dict[str, Value]:
    config: dict[str, Value] = {"trial_id": row["trial_id"], "cell_id": row["cell_id"], "sweep": row["sweep"]}
    for axis in ("dataset", "model", "optimizer", "protocol"):
        config |= flatten(axis, json.loads(row[f"{axis}_config"]))
    config["regularizer.name"] = _component_name(row["regularizer_config"])
    for part in _listed(row["regularizer_config"]):
        parameters = {key: value for key, value in part.items() if key != "name"}
        config |= flatten(f"regularizer.{part.get('name', '')}", parameters)
    config |= {name: bool(row[name]) for name in _FLAGS}
    return config | {name: row[name] for name in _CONFIG if row[name] is not None}


def _listed(text: str) -> list[dict[str, Any]]:
    value = json.loads(text)
    return value if isinstance(value, list) else [value]


def _component_name(text: str) -> str:
    """`dropout+weight_decay` where a level has several."""
    return "+".join(str(part.get("name", "")) for part in _listed(text)) or "none"


def _epochs(journal: Journal, trial_id: str) -> Iterator[tuple[int, dict[str, float]]]:
    names = [name for name in EPOCHS.columns if name not in EPOCHS.key]
    columns = ", ".join(f'"{name}"' for name in names)
    statement = f"SELECT epoch, {columns} FROM epochs WHERE trial_id = ? ORDER BY epoch"
    for epoch, *values in journal.query(statement, (trial_id,)):
        yield epoch, {name: value for name, value in zip(names, values, strict=True) if _is_value(value)}


def _is_value(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
