"""A journal made anew from what is left of it and from its tables.

Of each trial either the journal or the tables are believed, whichever has come further, never a mixture. A trial that
neither knows whole waits again, so that only what is damaged runs again.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.store import sql
from orchestrator.upkeep.exported import CELLS
from orchestrator.upkeep.salvage import NONE, Salvaged
from orchestrator.upkeep.scratch import Place, Row, Scratch
from results_schema import ATTEMPTS, CLASSES, CURVES, ENDED, ENVIRONMENTS, EPOCHS, TRIAL_TABLES, TRIALS

REASON: Final = "its rows in the journal were damaged"
_OF_A_TRIAL: Final = (EPOCHS.name, CLASSES.name, CURVES.name, ATTEMPTS.name)
_STAYS: Final = frozenset(
    ("trial_id", "cell_id", "sweep", "planned", "source_digest", "purpose", "tuned", "config_id", "seed", "attempts")
)
"""What is known of a trial before it runs."""


@dataclass(slots=True)
class Rebuilt:
    """What came of it."""

    trials: int = 0
    runs_again: list[str] = field(default_factory=list)
    """Trials that had ended, or may have."""
    lost: list[str] = field(default_factory=list)
    """In words."""


@dataclass(frozen=True, slots=True)
class _Believed:
    """What is taken for true of one trial."""

    row: Row
    place: Place
    whole: bool
    """Whether all that belongs to it can be had there; else it waits again."""


class Rebuilding:
    """Writes the new journal, trial by trial and then table by table."""

    def __init__(self, scratch: Scratch, journal: Mapping[str, Salvaged], tables: Collection[str]) -> None:
        """scratch: holds the rows of the journal and of the tables that are whole, and is writing the new journal."""
        self._scratch, self._journal = scratch, journal
        self._exported = all(table.name in tables for table in TRIAL_TABLES)
        self._backed = all(name in tables for name in _OF_A_TRIAL)
        self._proven = all(journal.get(name, NONE).complete for name in _OF_A_TRIAL)
        self._made = Rebuilt()

    def run(self, directory_id: str) -> Rebuilt:
        """directory_id: used where the journal cannot tell."""
        scratch, made = self._scratch, self._made
        for table in (CELLS, ENVIRONMENTS.name):
            scratch.copy("tables", table)
            scratch.copy("journal", table)
        for trial_id in self._trial_ids():
            self._trial(trial_id)
        for table in (EPOCHS.name, CLASSES.name, CURVES.name):
            scratch.copy("tables", table, believed=True)
            scratch.copy("journal", table, believed=True)
        scratch.copy("journal", "logs")
        scratch.drop_logs_of_nobody()
        for row in _meta(scratch.rows("journal", "meta"), directory_id):
            scratch.write("meta", row)
        if not self._journal.get(TRIALS.name, NONE).complete and not self._exported:
            made.lost.append("trials that no table knows; the sweep plans them again")
        if not self._journal.get("logs", NONE).complete:
            made.lost.append("what some attempts had printed")
        return made

    def _trial_ids(self) -> Iterator[str]:
        """In the order of the tables, then those that they lack."""
        found = dict.fromkeys(self._scratch.keys("tables", TRIALS.name, "trial_id"))
        found.update(dict.fromkeys(self._scratch.keys("journal", TRIALS.name, "trial_id")))
        return iter(found)

    def _trial(self, trial_id: str) -> None:
        believed = self._believe(trial_id)
        row = believed.row
        cell = row.get("config_id") or row["cell_id"]
        if not any(self._scratch.rows(place, CELLS, cell_id=cell) for place in _PLACES):
            self._made.lost.append(f"the cell of trial {trial_id}")
            return
        if believed.whole:
            self._scratch.believe(trial_id, believed.place, self._made.trials)
        else:
            self._made.runs_again.append(trial_id)
            row = _waiting(row)
        attempts = self._attempts(trial_id, believed.place)
        if row["attempts"] and row["attempts"] not in attempts:
            row = {**row, "attempts": max(attempts, default=0)}
        self._scratch.write(TRIALS.name, row)
        for number, attempt in attempts.items():
            if number <= row["attempts"]:
                self._scratch.write(ATTEMPTS.name, attempt)
        self._made.trials += 1

    def _believe(self, trial_id: str) -> _Believed:
        own, other = (_only(self._scratch.rows(place, TRIALS.name, trial_id=trial_id)) for place in _PLACES)
        exported = other if self._backed else None
        if exported is not None and (own is None or _progress(exported) >= _progress(own)):
            return _Believed(exported, "tables", whole=True)
        if own is not None:
            return _Believed(own, "journal", whole=self._proven or own["status"] not in ENDED)
        assert other is not None, "one of them named it"
        return _Believed(other, "journal", whole=other["status"] not in ENDED)

    def _attempts(self, trial_id: str, place: Place) -> dict[int, Row]:
        """All that are known, those of the place that is believed above the others. Number to row."""
        found: dict[int, Row] = {}
        for source in ("tables", "journal") if place == "journal" else ("journal", "tables"):
            known = self._scratch.rows(source, ATTEMPTS.name, trial_id=trial_id)
            found |= {row["attempt"]: row for row in known}
        return found


_PLACES: Final[tuple[Place, Place]] = ("journal", "tables")


def _only(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _meta(rows: list[Row], directory_id: str) -> Iterator[Row]:
    found = {row["key"]: row["value"] for row in rows if row["key"] != "results_version"}
    found.setdefault("directory_id", directory_id)
    yield from ({"key": key, "value": value} for key, value in found.items())


def _progress(row: Row) -> tuple[int, bool, Any]:
    return row["attempts"] or 0, row["status"] in ENDED, row.get("finished_at") or 0


def _waiting(row: Row) -> Row:
    plain = {name: row.get(name) if name in _STAYS else None for name in sql.TRIAL_COLUMNS}
    return {**plain, "status": "pending", "reason": REASON}
