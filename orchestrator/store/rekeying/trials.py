"""In a journal: trials that several workers have trained get the ids that they would be given now.

An id is made of the one without workers (`identity_of_workers`), so that no component has to be as it was. The workers of a
trial that came to no end are those of its cell's other trials, or those that its grid names for all.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, cast

from clusters.yaml_file import YamlMapping, parse
from orchestrator.store import sql
from trainables.component import PerWorker
from trainables.interfaces import Model, Regularizer
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.spec import (
    counted_workers,
    done_apart,
    identity_of_workers,
    trial_identity,
    tuned_identity,
    tuning_identity,
)

RENAMED: Final = "renamed_trials"
"""Key in `meta`: old trial id to new (JSON), of all that were ever renamed. Older tables and file names have the old."""
RENAMES_DUE: Final = "renames_due"
"""Key in `meta`: there while files of renamed trials may still have their old names."""

_ANYTHING: Final = PerWorker.STATISTICS | PerWorker.DRAWS
_MAX_VALUES: Final = 1_000_000
_MOST_TRIALS: Final = 100_000
"""Of a tuning: more than that no grid could ask for."""
_ID: Final = re.compile(r"[0-9a-f]{16}")
"""Names of files are made of ids, and a journal may say anything."""


@dataclass(frozen=True, slots=True)
class _Renaming:
    """What gets which id: cells (without the values that tuning chose), configurations (with them) and trials."""

    trials: dict[str, str] = field(default_factory=dict)
    own_cells: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """New trial id to the ids of its cell and of its configuration."""
    cells: dict[tuple[str, str], None] = field(default_factory=dict)
    """Old and new ids of cells and configurations; some of an old one's trials may keep it."""


def renamed_trials(db: sqlite3.Connection) -> Mapping[str, str]:
    """Old trial id to new, of a journal; empty where none was renamed."""
    found = db.execute("SELECT value FROM meta WHERE key = ?", (RENAMED,)).fetchone()
    names = {} if found is None else json.loads(found[0])
    return {old: new for old, new in names.items() if _ID.fullmatch(old) and _ID.fullmatch(new)}


def rekey(db: sqlite3.Connection) -> None:
    """Within a transaction, of a journal whose columns are those of now."""
    renaming = _renaming(db)
    if not renaming.trials:
        return
    columns = [name for name in sql.CELL_COLUMNS if name != "cell_id"]
    db.executemany(
        f"INSERT OR IGNORE INTO cells (cell_id, {', '.join(columns)})"
        f" SELECT ?2, {', '.join(columns)} FROM cells WHERE cell_id = ?1",
        list(renaming.cells),
    )
    for table in sql.columns():
        if "trial_id" in sql.columns_there(db, table):
            changed = [(new, old) for old, new in renaming.trials.items()]
            db.executemany(f'UPDATE "{table}" SET trial_id = ? WHERE trial_id = ?', changed)
    db.executemany(
        "UPDATE trials SET cell_id = ?, config_id = ? WHERE trial_id = ?",
        [(cell, config, trial) for trial, (cell, config) in renaming.own_cells.items()],
    )
    db.executemany(
        "DELETE FROM cells WHERE cell_id = ?1 AND NOT EXISTS (SELECT 1 FROM trials WHERE ?1 IN (cell_id, config_id))",
        list(dict.fromkeys((old,) for old, _ in renaming.cells)),
    )
    _carry_facts(db, renaming)
    kept = {RENAMED: json.dumps(renaming.trials), RENAMES_DUE: "1"}
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(kept.items()))


def _renaming(db: sqlite3.Connection) -> _Renaming:
    """Only of trials that more than one worker may have trained: a large journal mostly has none."""
    known: dict[str, set[int]] = {}
    for cell_id, size in db.execute("SELECT DISTINCT cell_id, world_size FROM trials WHERE world_size IS NOT NULL"):
        known.setdefault(cell_id, set()).add(size)
    planned, apart, found = _PlannedWorkers(db), _CellsApart(db), _Renaming()
    rows = db.execute(
        "SELECT trial_id, cell_id, seed, purpose, tuned, config_id, world_size, environment_id FROM trials"
        " WHERE world_size IS NULL OR world_size > 1"
    )
    for trial_id, cell_id, seed, purpose, tuned, config_id, world_size, environment in rows:
        if not _ID.fullmatch(cell_id):
            continue
        others = known.get(cell_id, set())
        workers = world_size or (next(iter(others)) if len(others) == 1 else planned.of(environment))
        counted = 1 if workers == 1 else counted_workers(workers, Protocol(), apart.of(cell_id))
        if counted == 1:
            continue
        old, cell = bytes.fromhex(cell_id), identity_of_workers(bytes.fromhex(cell_id), counted)
        number = _number(old, trial_id, apart.tuning_of(cell_id)) if purpose == "tuning" else None
        if number is None and trial_id != trial_identity(old, seed):
            continue  # not made of this cell: what it is, nobody knows
        new = trial_identity(cell, seed) if number is None else tuning_identity(cell, number)
        config = None if config_id is None or tuned is None else tuned_identity(cell, tuned)
        found.trials[trial_id], found.own_cells[new] = new, (cell.hex(), config)
        found.cells[cell_id, cell.hex()] = None
        if config is not None:
            found.cells[config_id, config] = None
    return found


class _CellsApart:
    """What the workers of each cell did apart, asked of those that several workers have trained."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[str, tuple[str, str, str | None]] = {}

    def of(self, cell_id: str) -> PerWorker:
        return _done_apart(*self._configs(cell_id))

    def tuning_of(self, cell_id: str) -> str | None:
        """How the cell is tuned (JSON)."""
        return self._configs(cell_id)[-1]

    def _configs(self, cell_id: str) -> tuple[str, str, str | None]:
        if cell_id not in self._known:
            statement = "SELECT model_config, regularizer_config, tuning_config FROM cells WHERE cell_id = ?"
            self._known[cell_id] = self._db.execute(statement, (cell_id,)).fetchone() or ("", "", None)
        return self._known[cell_id]


def _number(cell: bytes, trial_id: str, tuning_config: str | None) -> int | None:
    try:
        count = 0 if tuning_config is None else int(json.loads(tuning_config)["trials"])
    except (ValueError, KeyError, TypeError):  # what else is wrong with a journal is not said here
        return None
    numbers = range(min(count, _MOST_TRIALS))
    return next((number for number in numbers if tuning_identity(cell, number) == trial_id), None)


@cache
def _done_apart(model: str, regularizers: str, tuning: str | None) -> PerWorker:
    """What the workers of a cell did each by itself. A component that no longer exists may have done anything."""
    try:
        space = {} if tuning is None else json.loads(tuning)["space"]
        if any(name.partition(".")[0] in ("model", "regularizer") for name in space):
            return _ANYTHING
        built = cast(Model, _built("model", json.loads(model)))
        return done_apart(built, [cast(Regularizer, _built("regularizer", each)) for each in json.loads(regularizers)])
    except Exception:  # noqa: BLE001 - whatever a plug-in raises: it stays unknown
        return _ANYTHING


def _built(kind: str, written: dict[str, Any]) -> object:
    parameters = {key: value for key, value in written.items() if key != "name"}
    return registry.get(kind, written["name"]).from_parameters(parameters)


class _PlannedWorkers:
    """How many workers grids name for all of their trials."""

    def __init__(self, db: sqlite3.Connection) -> None:
        grids = db.execute("SELECT environment_id, grid FROM environments ORDER BY started_at").fetchall()
        self._grids = dict(grids)
        self._latest = grids[-1][0] if grids else None
        self._known: dict[str | None, int] = {}

    def of(self, environment_id: str | None) -> int:
        """The grid of an invocation; without one, of the latest. 1 where it names different numbers, or cannot be read."""
        chosen = self._latest if environment_id is None else environment_id
        if chosen not in self._known:
            self._known[chosen] = next(iter(_named(self._grids.get(chosen) or "")), 1)
        return self._known[chosen]


def _named(grid: str) -> Iterator[int]:
    try:
        written = parse(grid, max_values=_MAX_VALUES)
    except ValueError:
        return
    resources = written.get("resources") if isinstance(written, YamlMapping) else None
    workers = resources.get("workers") if isinstance(resources, YamlMapping) else None
    if isinstance(workers, int) and workers >= 1 and "workers" not in str(written.get("overrides", "")):
        yield workers


def _carry_facts(db: sqlite3.Connection, renaming: _Renaming) -> None:
    """What `meta` keeps by cell id (seeds that were added, say) holds for the new ids too."""
    for key, value in db.execute("SELECT key, value FROM meta").fetchall():
        try:
            facts = json.loads(value)
        except ValueError:
            continue
        if isinstance(facts, dict) and (more := {new: facts[old] for old, new in renaming.cells if old in facts}):
            db.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps({**facts, **more}, sort_keys=True), key))
