"""What W&B is to have beside rows, each once: weights of every run, `best` on the winner's, and an alert."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import pandas as pd

from orchestrator.evidence.selection import SCORES, best_first, measure_of
from orchestrator.grid.settings import Destination
from orchestrator.results.ranked import COSTS, class_counts, evaluating, ranked_cells, short_label
from orchestrator.store.frames import TablesRead
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sql import among
from orchestrator.wandb.attachment import collection_in, end_alert, failure_alert, model_of
from orchestrator.wandb.ledger import Ledger
from orchestrator.wandb.runs import Run, RunUnit, finished_trials
from orchestrator.wandb.tracker import Tracker
from results_schema import OPEN, RETRYABLE
from trainables import AXES

# Which trial comes first in each data set: of the cell that the grid's selection puts first, the best on validation.

_COLUMNS = [
    *("trial_id", "cell_id", "purpose", "tuned", "planned", *AXES, "seed", "status", *SCORES, *COSTS),
]


@dataclass(frozen=True, slots=True)
class Winner:
    """The best trial of one data set."""

    trial_id: str
    message: str


def read_winners(paths: ResultsPaths) -> tuple[Winner, ...]:
    """Raises UserError, DamagedResults."""
    tables = TablesRead(paths)
    every = tables.every_trial(_COLUMNS)
    trials = evaluating(every)
    ranked = ranked_cells(trials, class_counts(trials, tables))  # who is first is not for pictures to say
    found = [_winner(trials, cells.iloc[0]) for _, cells in ranked.groupby("dataset", sort=False)]
    return tuple(winner for winner in found if winner is not None)


def _winner(trials: pd.DataFrame, first: "pd.Series[str]") -> Winner | None:
    """Return the winner; None where no trial was completed, since a cell without one stands last."""
    measure = measure_of(trials[trials["dataset"] == first["dataset"]])
    done = trials[(trials["cell_id"] == first["cell_id"]) & (trials["status"] == "completed")]
    if done.empty:
        return None
    best = best_first(done, measure.validation, measure).iloc[0]
    return Winner(str(best["trial_id"]), f"{first['dataset']}: {short_label(first)} comes first.")


_FIRST_FAILURE: Final = "first failure"
"""What the ledger calls that alert, of which results have one."""


class Attaching:
    """Attaches models and alerts to runs that are there."""

    def __init__(
        self, paths: ResultsPaths, journal: Journal, tracker: Tracker, ledger: Ledger, to: Destination | None
    ) -> None:
        """to: None where nothing is attached, as to runs in folders and to those of cells."""
        self._paths, self._journal, self._tracker, self._ledger = paths, journal, tracker, ledger
        self._models = to is not None and to.artifacts == "best"
        self._failures = to is not None and to.alert == "failures"
        self._end = to is not None and to.alert == "end"
        self._complete: set[str] = set()
        """Runs that lack nothing, which is looked up once."""

    def look_again(self) -> None:
        """Elsewhere, runs may lack what they have here."""
        self._complete.clear()

    def lacks(self, unit: RunUnit, run_id: str) -> bool:
        """Whether this run lacks something."""
        if run_id in self._complete:
            return False
        if self._lacks_model(unit, run_id) or self._alerts_of(unit):
            return True
        self._complete.add(run_id)
        return False

    def attach(self, unit: RunUnit, run: Run) -> None:
        """What it lacks. Raises Unreachable, Refused."""
        done = run.summary.get("status") == "completed"
        model = model_of(run, unit.trial_id, self._paths) if done and self._lacks_model(unit, run.run_id) else None
        alert = failure_alert(run) if self._alerts_of(unit) else None
        if model is not None or alert is not None:
            version = self._tracker.attach(run, model, alert)
            if model is not None:
                self._ledger.add_beside("model", run.run_id, version)
            if alert is not None:
                self._ledger.add_beside("alert", _FIRST_FAILURE, run.run_id)
        self._complete.add(run.run_id)

    def conclude(self, winners: tuple[Winner, ...], read: Callable[[RunUnit], Run]) -> None:
        """What is to be said when all runs are there. Raises Unreachable, Refused."""
        if not self._models and not self._end:
            return
        units = {unit.trial_id: unit for unit in finished_trials(self._journal)}
        if self._models:
            for winner in winners:
                self._crown(self._id(units[winner.trial_id]))
        if self._end and units and not OPEN & self._journal.counts().keys():
            first = next((units[winner.trial_id] for winner in winners), list(units.values())[-1])
            ends = blake2b(repr(sorted(map(self._id, units.values()))).encode(), digest_size=8).hexdigest()
            if self._ledger.beside("alert", ends) is None:  # once for these ends of these trials
                self._alert_the_end(read(first), winners)
                self._ledger.add_beside("alert", ends, self._id(first))

    def _crown(self, run_id: str) -> None:
        version = self._ledger.beside("model", run_id)
        if version is None or self._ledger.beside("best", collection_in(version)) == version:
            return
        self._tracker.crown(version)
        self._ledger.add_beside("best", collection_in(version), version)

    def _alert_the_end(self, run: Run, winners: tuple[Winner, ...]) -> None:
        best = " ".join(winner.message for winner in winners)
        self._tracker.attach(run, None, end_alert(self._journal.counts(), str(run.config["sweep"]), best))

    def _lacks_model(self, unit: RunUnit, run_id: str) -> bool:
        return (
            self._models
            and self._ledger.beside("model", run_id) is None
            and self._paths.weights(unit.trial_id).is_file()
        )

    def _alerts_of(self, unit: RunUnit) -> bool:
        if not self._failures or self._ledger.beside("alert", _FIRST_FAILURE) is not None:
            return False
        failed = self._journal.query(
            f"SELECT trial_id FROM trials WHERE status IN {among(RETRYABLE)} ORDER BY finished_at LIMIT 1"
        )
        return (unit.trial_id,) in failed

    def _id(self, unit: RunUnit) -> str:
        return unit.run_id(self._journal.directory_id)
