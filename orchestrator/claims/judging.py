"""All claims of a results directory, beside what its tables hold."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pandas as pd

from orchestrator.claims.measured import measured
from orchestrator.claims.pairing import Units, trials_of, units_of
from orchestrator.claims.post_hoc import Recorded
from orchestrator.claims.verdict import Evidence, Verdict, verdicts
from orchestrator.errors import DamagedResults, UserError
from orchestrator.grid import GridSpec, read_grid
from orchestrator.grid.claims import Claim
from orchestrator.grid.reader import read_text
from orchestrator.reports.reading import TablesRead
from orchestrator.store.paths import ResultsPaths
from results_schema import ENVIRONMENTS, EPOCHS, TRIALS


@dataclass(frozen=True, slots=True)
class Judgement:
    """What `orch claims` shows."""

    sweep: str
    verdicts: tuple[Verdict, ...]
    dropped: tuple[str, ...]
    """Claims of earlier grids on these data that this one has no more; p is corrected for them too."""
    trouble: tuple[str, ...]
    """Tables that are damaged. What is shown is from the journal, or without them."""


def judge(paths: ResultsPaths, grid: Path | GridSpec | None = None, *, alone: bool = False) -> Judgement:
    """The grid's claims, as the latest sweep here had it, or as a file has it now.

    alone: without correction for the claims of earlier grids.
    Raises UserError (no sweep has begun here), GridError (a claim that cannot be read), DamagedResults.
    """
    tables = TablesRead(paths)
    environments = tables.needed(ENVIRONMENTS, ENVIRONMENTS.columns)
    latest = latest_text(environments, paths)
    spec = (
        read_grid(grid) if isinstance(grid, Path) else grid or read_text(latest, Path(f"the grid kept in {paths.root}"))
    )
    trials = _evaluating(tables.every_trial(TRIALS.columns))
    planned = trials[trials["planned"]] if trials["planned"].any() else trials
    recorded = Recorded(environments)
    epochs = cache(partial(_epochs, tables))  # large, and few claims need it
    evidence = []
    for claim in spec.claims:
        found, told = _units(claim, planned, epochs)
        about = trials_of(claim, trials)
        others = int((about & (trials["status"] == "completed") & ~trials["trial_id"].isin(planned["trial_id"])).sum())
        if others:
            told.append(f"{others} completed trials of earlier grids are not counted")
        evidence.append(
            Evidence(
                units=found,
                post_hoc=recorded.is_post_hoc(claim.digest, trials[about]),
                looks=recorded.looks(trials[trials["trial_id"].isin(found.trial_ids)], trials[about]),
                cells=frozenset(planned["cell_id"][trials_of(claim, planned)]),
                notes=tuple(told),
            )
        )
    dropped = recorded.dropped({claim.digest for claim in spec.claims}, trials)
    return Judgement(
        sweep=spec.name,
        verdicts=verdicts(spec.claims, evidence, 0 if alone else len(dropped)),
        dropped=tuple(dict.fromkeys(dropped.values())),
        trouble=tuple(tables.trouble),
    )


def latest_text(environments: pd.DataFrame, paths: ResultsPaths) -> str:
    """The grid of the latest sweep. Raises UserError where none has begun."""
    if environments.empty:
        raise UserError(f"no sweep has begun in {paths.root}; run `orch sweep GRID` first")
    return str(environments.sort_values("started_at", kind="stable").iloc[-1]["grid"])


def _evaluating(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials that tune read no test split, and choose nothing here."""
    return trials[trials["purpose"] != "tuning"].assign(planned=trials["planned"].fillna(False).astype(bool))


def _epochs(tables: TablesRead) -> pd.DataFrame | None:
    """None where the table cannot be read, which is told."""
    try:
        return tables.needed(EPOCHS, EPOCHS.columns)
    except (DamagedResults, UserError) as unreadable:
        tables.trouble.append(str(unreadable))
        return None


def _units(claim: Claim, planned: pd.DataFrame, epochs: Callable[[], pd.DataFrame | None]) -> tuple[Units, list[str]]:
    """And what else has to be said: a table that cannot be read leaves open the claims that need it, and no others."""
    if claim.on.table != "epochs":
        return units_of(claim, planned, measured(claim.on, planned, pd.DataFrame(columns=EPOCHS.columns))), []
    if (rows := epochs()) is None:
        nothing = pd.Series(float("nan"), index=planned["trial_id"])
        return units_of(claim, planned, nothing), ["it needs the table of epochs, which cannot be read"]
    return units_of(claim, planned, measured(claim.on, planned, rows)), []
