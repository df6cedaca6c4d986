"""A finished trial as a run of an experiment tracker: names, configuration, epochs, summary. Knows no tracker."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from orchestrator.plan.tuned import shown_text
from orchestrator.store import sql
from orchestrator.store.journal import Journal
from orchestrator.text import counted
from results_schema import CONFIRMATION, ENDED, EPOCHS, MEASUREMENT, TRAINED, TRIALS, UNDER_WAY, UPDATE
from trainables import AXES, levels_shown

Value = str | int | float | bool | list[Any] | None

_WITH_BEGINNING: Final = (
    "trials LEFT JOIN attempts AS latest ON latest.trial_id = trials.trial_id AND latest.attempt = trials.attempts"
    " LEFT JOIN attempts AS began ON began.trial_id = trials.trial_id AND began.attempt = latest.first_attempt"
)
"""Each trial with the attempt with which it was begun that came, or comes, to its latest end."""
_LONGEST_NAME: Final = 128
_LONGEST_TAG: Final = 64
SAMPLES, EXPLANATIONS = "samples", "explanations"
"""What a run calls images: those of its trial, and those that a measurement of it has kept."""
_CONFIG: Final = ("purpose", "seed", "precision", "world_size", "threads", "device", "data_fingerprint")
"""Plain columns that say under what a trial ran."""
_FLAGS: Final = ("compiled", "deterministic")
_SUMMARY: Final = (
    "status",
    "reason",
    *(column.name for column in TRIALS.fields if column.is_measure),
    "attempts",
)


@dataclass(frozen=True, slots=True)
class RunUnit:
    """A trial that came to an end, or is on the way to it, and which end; or a cell whose trials all have."""

    trial_id: str
    """Of a cell, its own id."""
    end: str
    """8 hex digits that another end of it does not have: by when the trial was begun that came to it (by when it came, where
    an older orch began it); of a cell, by the ends of all its trials."""

    def run_id(self, directory_id: str) -> str:
        """A tracker never replaces the rows of a run: another end is another run."""
        return f"{self.trial_id}-{directory_id}-{self.end}"


@dataclass(frozen=True, slots=True)
class Running:
    """A trial that has been begun and has not come to its end."""

    unit: RunUnit
    runs: bool
    """False while it waits for its next attempt."""
    epochs: int
    """That are in the journal."""
    seconds: float
    """Since its attempt was handed to a slot."""
    expected_seconds: float
    """Of all its epochs, by those that are there; 0 where none is."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a tracker is told of one trial."""

    run_id: str
    name: str
    group: str
    purpose: str
    """As in `trials`; of the run of a whole cell `cell`."""
    tags: tuple[str, ...]
    config: dict[str, Value]
    """Flat: `dataset.name`, `model.depth`, `protocol.epochs`, `seed`."""
    epochs: tuple[tuple[int, dict[str, float]], ...]
    """Each epoch with what was measured in it."""
    summary: dict[str, Value]
    """`best_` stands before what was measured in the epoch that validation selected."""
    succeeded: bool


def finished_trials(journal: Journal) -> Iterator[RunUnit]:
    """Return every trial whose latest attempt came to an end, in the order of the ends. What measurements found out of a
    trial is in its own run.
    """
    rows = journal.query(
        f"SELECT trials.trial_id, coalesce(began.started_at, trials.finished_at) FROM {_WITH_BEGINNING}"
        f" WHERE {sql.NO_MEASUREMENT} AND trials.finished_at IS NOT NULL"
        f" AND trials.status IN {sql.among(ENDED)} ORDER BY trials.finished_at"
    )
    return (RunUnit(trial_id, end_of([(trial_id, at)])) for trial_id, at in rows)


def measured_ends(journal: Journal) -> dict[str, str]:
    """Of each trial that was measured, what stands for the measurements that have completed: others have another."""
    rows = journal.query(
        f"SELECT parent_id, trial_id, finished_at FROM trials WHERE purpose = '{MEASUREMENT}' AND status = 'completed'"
        " ORDER BY parent_id"
    )
    return {str(trial): end_of((one, at) for _, one, at in ends) for trial, ends in groupby(rows, key=itemgetter(0))}


def running_trials(journal: Journal, now: datetime) -> Iterator[Running]:
    """Yield every trial that runs, or waits for another attempt after one that broke; those that have run longest first."""
    rows = journal.query(
        "SELECT trials.trial_id, began.started_at, trials.started_at, trials.status = 'running', count(epoch),"
        " total(epochs.seconds) + total(epochs.eval_seconds), protocol_config"
        f" FROM {_WITH_BEGINNING} JOIN cells ON cells.cell_id = coalesce(trials.config_id, trials.cell_id)"
        " LEFT JOIN epochs ON epochs.trial_id = trials.trial_id"
        f" WHERE {sql.NO_MEASUREMENT} AND trials.attempts > 0 AND began.started_at IS NOT NULL"
        " AND trials.finished_at IS NULL"
        f" AND trials.status IN {sql.among(UNDER_WAY)}"
        " GROUP BY trials.trial_id ORDER BY trials.started_at"
    )
    for trial_id, began, started, runs, epochs, seconds, protocol in rows:
        wanted = json.loads(protocol).get("epochs") or 0
        so_far = now.timestamp() - started / 1e6
        unit = RunUnit(trial_id, end_of([(trial_id, began)]))
        yield Running(unit, bool(runs), epochs, so_far, seconds / epochs * wanted if epochs else 0.0)


def end_of(trials: Iterable[tuple[str, int]]) -> str:
    """trials: ids, and when each ended."""
    return blake2b(repr(sorted(trials)).encode(), digest_size=4).hexdigest()


def read_run(journal: Journal, trial: RunUnit, directory_id: str) -> Run:
    """The run of a trial that has finished."""
    trial_id = trial.trial_id
    statement = f"SELECT * FROM ({sql.select_every_trial()}) WHERE trial_id = ?"
    row = dict(zip(TRIALS.columns, next(journal.query(statement, (trial_id,))), strict=True))
    label = label_of(row)
    epochs = tuple(_epochs(journal, trial_id))
    which = f"seed {row['seed']}"
    if row["purpose"] == "tuning":
        which = f"tuning {shown_text(row['tuned']) or trial_id}"
    elif row["purpose"] in (CONFIRMATION, UPDATE):
        which = f"{row['purpose']}, seed {row['seed']}"
    return Run(
        run_id=trial.run_id(directory_id),
        name=name_of(label, which),
        group=group_of(row),
        purpose=row["purpose"] or "evaluation",
        tags=tags_of(row, {row["status"]}),
        config=config_of(row, directory_id) | _circumstances(row) | surroundings_of(journal, [row["environment_id"]]),
        epochs=epochs,
        summary={name: row[name] for name in _SUMMARY if is_value(row[name])}
        | {f"best_{name}": value for name, value in dict(epochs).get(row["best_epoch"], {}).items()},
        succeeded=row["status"] in TRAINED,
    )


def label_of(row: dict[str, Any]) -> str:
    """The levels of a cell."""
    return " · ".join(levels_shown([row[axis] for axis in AXES]))


def name_of(label: str, rest: str) -> str:
    """Return a run's name, as long as W&B takes it; what tells runs of a cell apart is cut last."""
    return _cut(f"{_cut(label, max(_LONGEST_NAME // 2, _LONGEST_NAME - 3 - len(rest)))} · {rest}", _LONGEST_NAME)


def group_of(row: dict[str, Any]) -> str:
    cell = f" [{row['cell_id']}]"
    return _cut(label_of(row), _LONGEST_NAME - len(cell)) + cell


def tags_of(row: dict[str, Any], statuses: set[str]) -> tuple[str, ...]:
    """The components' names, how it ended, and the sweep."""
    names = {_component_name(row[f"{axis}_config"]) for axis in AXES}
    return tuple(_cut(tag, _LONGEST_TAG) for tag in sorted({*names, *statuses, row["sweep"]}) if tag)


def model_id(config: str) -> str:
    """8 hex digits of a model's configuration: what run sets are filtered by, whatever stands in its label."""
    return blake2b(config.encode(), digest_size=4).hexdigest()


def flatten(prefix: str, value: Any) -> Iterator[tuple[str, Value]]:
    """Nested mappings as dotted keys. Lists of plain values stay lists."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flatten(f"{prefix}.{key}", part)
    else:
        yield prefix, value


def config_of(row: dict[str, Any], directory_id: str) -> dict[str, Value]:
    """Return what all trials of a cell have: levels by their labels and with every parameter, and where the results are."""
    config: dict[str, Value] = {
        "cell_id": row["cell_id"],
        "sweep": row["sweep"],
        "results_id": directory_id,
        "model_id": model_id(row["model_config"]),
        **{f"{axis}_label": row[axis] for axis in AXES},
    }
    for part in (*(axis for axis in AXES if axis != "regularizer"), "protocol"):
        config |= flatten(part, json.loads(row[f"{part}_config"]))
    config["regularizer.name"] = _component_name(row["regularizer_config"])
    for given in _listed(row["regularizer_config"]):
        parameters = {key: value for key, value in given.items() if key != "name"}
        config |= flatten(f"regularizer.{given.get('name', '')}", parameters)
    if row["tuning_config"] is not None:
        config |= flatten("tuning", json.loads(row["tuning_config"]))
    if row["tuned"] is not None:
        config |= flatten("tuned", json.loads(row["tuned"]))
    return config


def _circumstances(row: dict[str, Any]) -> dict[str, Value]:
    """Return what is a trial's own."""
    config: dict[str, Value] = {"trial_id": row["trial_id"], **{name: bool(row[name]) for name in _FLAGS}}
    return config | {name: row[name] for name in _CONFIG if row[name] is not None}


def surroundings_of(journal: Journal, environment_ids: Iterable[str | None]) -> dict[str, Value]:
    """Return on what and with which code trials ran: of several invocations, all that there were."""
    wanted = sorted({one for one in environment_ids if one is not None})
    places = ", ".join("?" * len(wanted))
    rows = list(
        journal.query(f"SELECT git_commit, host, gpus FROM environments WHERE environment_id IN ({places})", wanted)
    )
    found = {
        "git_commit": [commit for commit, _, _ in rows],
        "host": [host for _, host, _ in rows],
        "gpu": [name for _, _, gpus in rows for name in json.loads(gpus)],
    }
    return {name: ", ".join(sorted(set(filter(None, values)))) or None for name, values in found.items()}


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
        yield epoch, {name: value for name, value in zip(names, values, strict=True) if is_value(value)}


def is_value(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


# A cell as one run: the mean of its seeds, and the least and the greatest. For sweeps of thousands of trials.

_NOT_AVERAGED: Final = ("attempts",)


def finished_cells(journal: Journal) -> Iterator[RunUnit]:
    """Yield every cell whose planned trials have all ended. With other trials, or one that ran again, it has another end."""
    rows = journal.query(
        f"SELECT cell_id, trial_id, finished_at, status IN {sql.among(ENDED)} FROM trials"
        " WHERE planned AND coalesce(purpose, 'evaluation') = 'evaluation' AND status != 'skipped' ORDER BY cell_id"
    )
    cells = [(cell_id, list(trials)) for cell_id, trials in groupby(rows, key=itemgetter(0))]
    ended = [(cell_id, trials) for cell_id, trials in cells if all(done for *_, done in trials)]
    for cell_id, trials in sorted(ended, key=lambda cell: max(at for _, _, at, _ in cell[1])):
        yield RunUnit(cell_id, end_of((trial_id, at) for _, trial_id, at, _ in trials))


def read_cell(journal: Journal, cell: RunUnit, directory_id: str) -> tuple[Run, str | None]:
    """The run of a cell, and the completed trial whose confusion matrix and ROC curves stand for it."""
    statement = f"SELECT * FROM ({sql.select(TRIALS)}) WHERE cell_id = ? ORDER BY seed"
    rows = [dict(zip(TRIALS.columns, row, strict=True)) for row in journal.query(statement, (cell.trial_id,))]
    done = [row for row in rows if row["status"] == "completed"]
    runs = [read_run(journal, RunUnit(row["trial_id"], ""), directory_id) for row in done]
    statuses = Counter(row["status"] for row in rows)
    row = rows[0]
    counts: dict[str, Value] = {f"trials_{status}": count for status, count in statuses.items()}
    config = config_of(row, directory_id) | {"seeds": [row["seed"] for row in rows]}
    config |= surroundings_of(journal, [row["environment_id"] for row in rows])
    run = Run(
        run_id=cell.run_id(directory_id),
        name=name_of(label_of(row), counted(len(done), "seed")),
        group=group_of(row),
        purpose="cell",
        tags=tags_of(row, set(statuses)),
        config=config,
        epochs=tuple(_banded_epochs([dict(run.epochs) for run in runs])),
        summary={"seeds": len(done), **counts, **_banded([run.summary for run in runs])},
        succeeded=bool(done) or set(statuses) <= {"diverged"},
    )
    return run, done[0]["trial_id"] if done else None


def _banded_epochs(trials: list[dict[int, dict[str, float]]]) -> Iterator[tuple[int, dict[str, float]]]:
    for epoch in sorted({epoch for trial in trials for epoch in trial}):
        there = [trial[epoch] for trial in trials if epoch in trial]
        yield epoch, {**_banded(there), "seeds": float(len(there))}


def _banded(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means by name; `_low` and `_high` stand behind the least and the greatest of several."""
    banded: dict[str, Any] = {}
    for name in dict.fromkeys(name for one in found for name in one if name not in _NOT_AVERAGED):
        values = [one[name] for one in found if is_value(one.get(name)) and isinstance(one[name], int | float)]
        if not values:
            continue
        banded[name] = math.fsum(values) / len(values)
        if len(values) > 1:
            banded |= {f"{name}_low": min(values), f"{name}_high": max(values)}
    return banded
