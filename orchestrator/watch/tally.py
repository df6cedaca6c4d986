"""What each cell's trials have come to, kept from look to look: of 10,000 trials those that changed are read again."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from orchestrator.evidence.selection import measure_selected
from orchestrator.grid.measures import class_measure, stored_column
from orchestrator.store import sql
from orchestrator.store.class_columns import WHOSE
from orchestrator.store.journal import Journal
from results_schema import BROKEN, OPEN, TRIALS
from trainables import AXES
from trainables.protocol import LAST
from trainables.task import tasks

Change = Literal["plan", "trials"]
"""plan: all is as it was read now. trials: what became of some."""


class Outcome(NamedTuple):
    """What has become of a trial."""

    trial_id: str
    status: str
    scores: tuple[float | None, ...] = ()
    """Of `Tally.columns`; none of a trial that is not completed."""


class Summary(NamedTuple):
    """A cell in figures."""

    trials: int
    ran: int
    """All but those that are skipped."""
    completed: int
    broken: int
    """Trials that diverged or failed."""
    means: tuple[float | None, ...]
    """Over completed trials that have the score, of each of `Tally.columns`; None where none has."""


class CellTally:
    """One cell's trials."""

    def __init__(self, labels: tuple[str, ...], protocol: str) -> None:
        """labels: of its level of each axis. protocol: JSON."""
        self.labels, self.protocol = labels, protocol
        self._outcomes: dict[int, Outcome] = {}
        self._summary: Summary | None = None

    def set(self, row: int, outcome: Outcome) -> None:
        """Say what has become of the trial in a row of the journal."""
        self._outcomes[row] = outcome
        self._summary = None

    @property
    def summary(self) -> Summary:
        if self._summary is None:
            statuses = Counter(outcome.status for outcome in self._outcomes.values())
            trials = len(self._outcomes)
            broken = sum(statuses[status] for status in BROKEN)
            scores = zip(*(one.scores for one in self._outcomes.values() if one.scores), strict=True)
            means = tuple(map(_mean, scores))
            self._summary = Summary(trials, trials - statuses["skipped"], statuses["completed"], broken, means)
        return self._summary

    def scored(self, column: int) -> list[tuple[str, float]]:
        """Each trial that has the score in this place, by its id."""
        found = ((one.trial_id, one.scores[column]) for one in self._outcomes.values() if one.scores)
        return [(trial_id, score) for trial_id, score in found if score is not None]


def _mean(scores: Sequence[float | None]) -> float | None:
    there = [score for score in scores if score is not None]
    return sum(there) / len(there) if there else None


class Tally:
    """The trials that the latest grid names and that evaluate."""

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()
        """Columns of `trials` by which some of them may be compared, whatever their task is."""
        self.cells: tuple[CellTally, ...] = ()
        """In the order of the plan."""
        self._plan: object = None
        self._cell_of: dict[int, CellTally] = {}
        self._open: dict[int, str] = {}
        """Row to status of the trials that were open at the last look, of any purpose."""
        self._attempts = 0
        """The last row of attempts that was there."""

    def update(self, journal: Journal, counts: Mapping[str, int]) -> Change | None:
        """Read what has changed since the last time, and say what. counts: of `Journal.counts`.

        A trial changes by way of an open status or by an attempt, and a new plan comes with another invocation. To be called
        within one moment of the journal. Raises DamagedResults.
        """
        plan = (journal.directory_id, sum(counts.values()), *journal.query("SELECT max(rowid) FROM environments"))
        now = dict(journal.query(f"SELECT rowid, status FROM trials WHERE status IN {sql.among(OPEN)}"))
        before, self._open = self._open, now
        known, self._attempts = self._attempts, next(journal.query("SELECT coalesce(max(rowid), 0) FROM attempts"))[0]
        if plan != self._plan:
            self._read_all(journal)
            self._plan = plan
            return "plan"
        tried = journal.query(
            "SELECT trials.rowid FROM attempts JOIN trials USING (trial_id) WHERE attempts.rowid > ?", (known,)
        )
        moved = [*(row for row, _ in before.items() ^ now.items()), *(row for (row,) in tried)]
        self._read(journal, moved)
        return "trials" if moved else None

    def _read_all(self, journal: Journal) -> None:
        self.columns = _columns(journal)
        axes = ", ".join(AXES)
        known = {
            cell_id: CellTally(tuple(labels), protocol)
            for cell_id, protocol, *labels in journal.query(f"SELECT cell_id, protocol_config, {axes} FROM cells")
        }
        self._cell_of = {}
        for row, cell_id, outcome in self._outcomes(journal, ""):
            cell = self._cell_of[row] = known[cell_id]
            cell.set(row, outcome)
        self.cells = tuple({id(cell): cell for cell in self._cell_of.values()}.values())

    def _read(self, journal: Journal, rows: list[int]) -> None:
        of_these = " AND trials.rowid IN (SELECT value FROM json_each(?))"
        for row, _, outcome in self._outcomes(journal, of_these, json.dumps(rows)):
            if (cell := self._cell_of.get(row)) is not None:
                cell.set(row, outcome)

    def _outcomes(self, journal: Journal, more: str, *values: str) -> Iterator[tuple[int, str, Outcome]]:
        columns = ", ".join(map(_expression, self.columns))
        classes = [of_class.of for name in self.columns if (of_class := class_measure(name)) is not None]
        statement = (
            f"SELECT rowid, cell_id, trial_id, status, {columns} FROM trials WHERE {_WHICH}{more} ORDER BY rowid"
        )
        for row, cell_id, trial_id, status, *scores in journal.query(statement, (*classes, *values)):
            yield row, cell_id, Outcome(trial_id, status, tuple(scores) if status == "completed" else ())


_WHICH: Final = sql.WHICH_TRIALS[TRIALS.name]


def _expression(name: str) -> str:
    """A column of `trials`; a measure of one class, which is a parameter, is that of trials whose positive class it is."""
    stored = stored_column(name)
    return f'"{name}"' if stored == name else f'CASE WHEN {WHOSE} = ? THEN "{stored}" END'


def _columns(journal: Journal) -> tuple[str, ...]:
    selected = {
        json.loads(text).get("select") for (text,) in journal.query("SELECT DISTINCT protocol_config FROM cells")
    }
    named = [None, *sorted(name for name in selected if name not in (None, LAST))]
    found = (measure_selected(select, task) for task in tasks() for select in named)
    return tuple(dict.fromkeys(name for one in found for name in (one.validation, f"test_{one.name}")))
