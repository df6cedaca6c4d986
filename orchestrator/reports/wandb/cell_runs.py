"""A cell as one run: the mean of its seeds, and the least and the greatest. For sweeps of thousands of trials."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from orchestrator.reports.runs import (
    ENDED,
    Finished,
    Run,
    Value,
    config_of,
    end_of,
    group_of,
    is_value,
    label_of,
    name_of,
    read_run,
    surroundings_of,
    tags_of,
)
from orchestrator.store import sql
from orchestrator.store.journal import Journal
from results_schema import TRIALS

_NOT_AVERAGED: Final = ("attempts",)


def finished_cells(journal: Journal) -> Iterator[Finished]:
    """Every cell whose planned trials have all ended. With other trials, or one that ran again, it has another end."""
    rows = journal.query(
        f"SELECT cell_id, trial_id, finished_at, status IN {ENDED} FROM trials"
        " WHERE planned AND purpose IS NOT 'tuning' AND status != 'skipped' ORDER BY cell_id"
    )
    cells = [(cell_id, list(trials)) for cell_id, trials in groupby(rows, key=itemgetter(0))]
    ended = [(cell_id, trials) for cell_id, trials in cells if all(done for *_, done in trials)]
    for cell_id, trials in sorted(ended, key=lambda cell: max(at for _, _, at, _ in cell[1])):
        yield Finished(cell_id, end_of((trial_id, at) for _, trial_id, at, _ in trials))


def read_cell(journal: Journal, cell: Finished, directory_id: str) -> tuple[Run, str | None]:
    """The run of a cell, and the completed trial whose confusion matrix and ROC curves stand for it."""
    statement = f"SELECT * FROM ({sql.select(TRIALS)}) WHERE cell_id = ? ORDER BY seed"
    rows = [dict(zip(TRIALS.columns, row, strict=True)) for row in journal.query(statement, (cell.trial_id,))]
    done = [row for row in rows if row["status"] == "completed"]
    runs = [read_run(journal, Finished(row["trial_id"], ""), directory_id) for row in done]
    statuses = Counter(row["status"] for row in rows)
    row = rows[0]
    counts: dict[str, Value] = {f"trials_{status}": count for status, count in statuses.items()}
    config = config_of(row, directory_id) | {"seeds": [row["seed"] for row in rows]}
    config |= surroundings_of(journal, [row["environment_id"] for row in rows])
    run = Run(
        run_id=cell.run_id(directory_id),
        name=name_of(label_of(row), f"{len(done)} seed{'s' * (len(done) != 1)}"),
        group=group_of(row),
        purpose="cell",
        tags=tags_of(row, set(statuses)),
        config=config,
        epochs=tuple(_epochs([dict(run.epochs) for run in runs])),
        summary={"seeds": len(done), **counts, **_banded([run.summary for run in runs])},
        succeeded=bool(done) or set(statuses) <= {"diverged"},
    )
    return run, done[0]["trial_id"] if done else None


def _epochs(trials: list[dict[int, dict[str, float]]]) -> Iterator[tuple[int, dict[str, float]]]:
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
