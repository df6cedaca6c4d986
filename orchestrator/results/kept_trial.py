"""One trial as the journal has it, made into what a trainable executes again."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from orchestrator.errors import UserError
from orchestrator.results.trial_log import find_trial
from orchestrator.store.journal import Journal
from orchestrator.store.sql import TRIALS_AND_CELLS
from trainables import AXES, levels_shown
from trainables.columns import scores_in
from trainables.component import Component
from trainables.dataset import Dataset
from trainables.interfaces import Deployment, Measurement, Model, Optimizer, Regularizer
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.spec import (
    SOURCES,
    ParentTrial,
    Source,
    TrialSpec,
    Variation,
    measurement_identity,
    trial_identity,
)
from trainables.task import tasks

_COLUMNS: Final = (
    *(
        "cell_id",
        *AXES,
        "purpose",
        "seed",
        "status",
        "reason",
        "tuned",
        "varied",
        "repetition",
        "world_size",
        "threads",
        "device",
    ),
    *("parent_id", "measurement_config"),
    "data_fingerprint",
    *(f"{part}_config" for part in (*AXES, "protocol", "tuning")),
)
_TEXTS: Final = 20
"""Messages of components that refuse their parameters are cut to so many lines."""


@dataclass(frozen=True, slots=True)
class KeptTrial:
    """A trial of a results directory."""

    trial_id: str
    label: str
    """The labels of its levels and its seed."""
    tunes: bool
    """Whether it looks for values, and reads no test split."""
    status: str
    reason: str | None
    spec: TrialSpec
    parent: ParentTrial | None
    """The trial whose net it is made of, where it is a variant, or is about, where it is a measurement."""
    measurement: Measurement | None
    """What it finds out about that net, where that is all."""
    workers: int
    """That trained it; 1 where it has not run."""
    threads: int | None
    """torch threads of a worker; None where it has not run."""
    device: str | None
    """cpu, or the name of a GPU; None where it has not run."""
    untuned: bool
    """Whether it waits for its cell's tuning: open parameters stand at their defaults."""
    same: bool | None
    """Whether its configuration has the trial's id still; None where that cannot be told, as something is tuned."""
    scores: tuple[tuple[str, float], ...]
    """Recorded figures, by column."""


def read_kept_trial(journal: Journal, prefix: str, weights: Callable[[str], Path]) -> KeptTrial:
    """The trial whose id begins so. weights: where those of a trial lie.

    Raises UserError where none or several trials do, or where it cannot be made again.
    """
    trial_id = find_trial(journal, prefix)
    names = ", ".join(f'"{name}"' if name != "cell_id" else "trials.cell_id" for name in _COLUMNS)
    values = next(journal.query(f"SELECT {names} FROM {TRIALS_AND_CELLS} WHERE trial_id = ?", (trial_id,)))
    row = dict(zip(_COLUMNS, values, strict=True))
    tunes, workers = row["purpose"] == "tuning", row["world_size"] or 1
    try:
        specs = [_spec(row, variation, workers) for variation in _variations(journal, row, tunes=tunes)]
        measurement = _measurement(row["measurement_config"])
    except Exception as refused:  # whatever a plug-in's component raises, or what an older journal has
        said = "\n".join(str(refused).splitlines()[:_TEXTS])
        raise UserError(f"{trial_id} cannot be rebuilt from the journal: {said}") from refused
    known = row["tuning_config"] is None
    found = [spec for spec in specs if _trial_id(spec, measurement) == trial_id] if known else specs[:1]
    return KeptTrial(
        trial_id,
        f"{' '.join(levels_shown([row[axis] for axis in AXES]))} seed {row['seed']}",
        tunes,
        str(row["status"]),
        row["reason"],
        (found or specs)[0],
        _parent(journal, row["parent_id"], weights),
        measurement,
        workers,
        row["threads"],
        row["device"],
        untuned=not known and row["tuned"] is None,
        same=bool(found) if known else None,
        scores=tuple(_scores(journal, trial_id)),
    )


def _parent(journal: Journal, parent_id: str | None, weights: Callable[[str], Path]) -> ParentTrial | None:
    return None if parent_id is None else ParentTrial(parent_id, weights(parent_id), None)


def _measurement(written: str | None) -> Measurement | None:
    return None if written is None else cast(Measurement, _built("measurement", json.loads(written)))


def _trial_id(spec: TrialSpec, measurement: Measurement | None) -> str:
    if measurement is None:
        return spec.trial_id
    return trial_identity(measurement_identity(bytes.fromhex(spec.cell_id), measurement.digest()), spec.seed)


def _spec(row: dict[str, Any], variation: Variation | None, workers: int) -> TrialSpec:
    dataset = cast(Dataset, _built("dataset", json.loads(row["dataset_config"])))
    in_fold = row["purpose"] == "tuning" and dataset.folds is not None
    deployment = cast(Deployment, _built("deployment", json.loads(row["deployment_config"])))
    return TrialSpec(
        dataset=dataset,
        model=cast(Model, _built("model", json.loads(row["model_config"]))),
        optimizer=cast(Optimizer, _built("optimizer", json.loads(row["optimizer_config"]))),
        regularizers=tuple(
            cast(Regularizer, _built("regularizer", each)) for each in json.loads(row["regularizer_config"])
        ),
        protocol=Protocol.from_parameters(json.loads(row["protocol_config"])),
        seed=row["seed"],
        fingerprint=row["data_fingerprint"],
        workers=workers,
        variation=variation,
        held_out=row["repetition"] if in_fold else None,
        deployment=None if deployment.name == "none" else deployment,
    )


def _built(kind: str, written: dict[str, Any]) -> Component:
    return registry.get(kind, written["name"]).from_parameters(
        {key: value for key, value in written.items() if key != "name"}
    )


def _variations(journal: Journal, row: dict[str, Any], *, tunes: bool) -> Iterator[Variation | None]:
    """What its seed may decide: of a cell that varies some sources the journal does not say which seed is the first."""
    if row["varied"] is None or tunes:
        yield None
        return
    varied = row["varied"].split(",")
    sources: tuple[Source, ...] = tuple(source for source in SOURCES if source in varied)
    seeds = "SELECT seed FROM trials WHERE cell_id = ? AND purpose IS NOT 'tuning' ORDER BY rowid"
    for (first,) in journal.query(seeds, (row["cell_id"],)):
        yield Variation(sources, first)


def _scores(journal: Journal, trial_id: str) -> Iterator[tuple[str, float]]:
    """What is recorded of what the tasks can select by, on validation and on the test split."""
    measured = dict.fromkeys(name for task in tasks() for name in scores_in(task.scores))
    names = [f"{split}_{name}" for split in ("val", "test") for name in measured]
    columns = ", ".join(f'"{name}"' for name in names)
    values = next(journal.query(f"SELECT {columns} FROM trials WHERE trial_id = ?", (trial_id,)))
    yield from ((name, value) for name, value in zip(names, values, strict=True) if value is not None)
