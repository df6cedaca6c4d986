"""The trials that have come to an end, as a tracker is told of them, with the times at which they ran."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.store import sql
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import open_journal
from orchestrator.wandb.runs import Run, RunUnit, finished_trials, read_run
from results_schema import UNDER_WAY


@dataclass(frozen=True, slots=True)
class EndedTrial:
    """A trial, and when it ran: seconds since 1970."""

    trial_id: str
    run: Run
    started: float
    finished: float

    @property
    def measures(self) -> dict[str, float]:
        """Of the whole trial."""
        values = self.run.summary.items()
        return {name: float(one) for name, one in values if isinstance(one, int | float) and not isinstance(one, bool)}

    def epoch_ends(self) -> Iterator[float]:
        """When each epoch ended, as far as its time and that of its evaluation tell."""
        at = self.started
        for _, measured in self.run.epochs:
            at += measured.get("seconds", 0.0) + measured.get("eval_seconds", 0.0)
            yield at


class EndedTrials:
    """Those of one results directory, in the order of their ends. Each is read when it is asked for."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._directory_id = journal.directory_id
        self.units = {unit.run_id(self._directory_id): unit for unit in finished_trials(journal)}
        """By an id that another end of the same trial does not have."""

    @property
    def sweep(self) -> str:
        """The name of the grid that was run last."""
        ((name,),) = self._journal.query("SELECT coalesce(max(sweep), '') FROM trials WHERE planned")
        return str(name) or self._directory_id

    @property
    def waiting(self) -> int:
        """Trials that have still to end."""
        ((count,),) = self._journal.query(f"SELECT count(*) FROM trials WHERE status IN {sql.among(UNDER_WAY)}")
        return int(count)

    def read(self, unit: RunUnit) -> EndedTrial:
        run = read_run(self._journal, unit, self._directory_id)
        ((started, finished),) = self._journal.query(
            "SELECT coalesce(started_at, finished_at), finished_at FROM trials WHERE trial_id = ?", (unit.trial_id,)
        )
        return EndedTrial(unit.trial_id, run, started / 1e6, finished / 1e6)


@contextmanager
def ended_trials(paths: ResultsPaths) -> Iterator[EndedTrials]:
    """Raises UserError where only tables are left, DamagedResults."""
    with closing(open_journal(paths)) as journal:
        yield EndedTrials(journal)


@dataclass(frozen=True, slots=True)
class Converted:
    """What one conversion has done."""

    written: int
    there: int
    """What was there, and the same."""
    waiting: int
    """Trials that have still to end, and are left for another time."""
    noun: str
    """What is counted: `run` or `table`."""


def not_writable(path: object, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {error.strerror or error}; name another place with --output")
