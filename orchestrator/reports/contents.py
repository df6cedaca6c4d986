"""What the tables of a results directory say, as the page shows it: `orch report`."""

import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import OrchError
from orchestrator.reports import breakdowns, curve_figures, grids, provenance, summing_up
from orchestrator.reports.cell_figures import cell_figures
from orchestrator.reports.cells import AXES
from orchestrator.reports.claim_section import claim_section
from orchestrator.reports.compared import SCORES
from orchestrator.reports.effect_figures import axis_effects, rank_figures
from orchestrator.reports.figures import Breakdowns
from orchestrator.reports.page import Page, Source
from orchestrator.reports.ranked import COSTS, ranked_cells
from orchestrator.reports.reading import TablesRead
from orchestrator.reports.tuning import SETTINGS, tuning_section
from orchestrator.selection import is_open
from orchestrator.store.files import reading
from orchestrator.store.paths import ResultsPaths
from results_schema import CLASSES, CURVES, ENVIRONMENTS, EPOCHS, TRIALS, TUNING_TRIALS

_TRIAL_COLUMNS: Final = [
    "trial_id",
    "cell_id",
    "purpose",
    "tuned",
    "sweep",
    "planned",
    *AXES,
    "seed",
    "status",
    "reason",
    "epochs",
    "best_epoch",
    *SCORES,
    *COSTS,
]
_SHOWS: Final = {
    TRIALS: "leaderboards, heat maps, gaps, costs, effects, ranks, claims, failures",
    TUNING_TRIALS: "tuning, failures",
    EPOCHS: "learning curves",
    CLASSES: "names of the classes",
    CURVES: "ROC curves, confusion matrices",
    ENVIRONMENTS: "environment",
}


def read_page(paths: ResultsPaths) -> Page:
    """What the tables say; where some cannot be read, what can be shown without them. Raises UserError, DamagedResults."""
    tables = TablesRead(paths)
    every = tables.every_trial(_TRIAL_COLUMNS)
    every["planned"] = every["planned"].fillna(False).astype(bool)
    if every["planned"].any():
        unplanned, every = every[~every["planned"]], every[every["planned"]]
    else:
        unplanned = every[:0]
    tunes = every["purpose"] == "tuning"
    trials, tuning = every[~tunes], every[tunes]
    under_way = is_open(trials["status"])
    ranked = ranked_cells(trials)
    shares = () if under_way else axis_effects(trials)
    environments = tables.wanted(ENVIRONMENTS, ENVIRONMENTS.columns)
    claims, unjudged = claim_section(paths, environments["grid"].dropna(), under_way=under_way)
    curves = curve_figures.learning_curves(trials, ranked, tables.wanted(EPOCHS, curve_figures.EPOCH_COLUMNS))
    broken_down = breakdowns.NONE if under_way else _breakdowns(tables, trials, ranked)
    settings = _tuning_settings(tables) if len(tuning) else every[:0]
    trouble = [*tables.trouble, *([unjudged] if unjudged else [])]
    return Page(
        sweep=str(trials["sweep"].iloc[-1]) if len(trials) else paths.root.name,
        open=under_way,
        written=_written(paths),
        trials=len(trials),
        cell_count=len(ranked),
        unplanned=int((unplanned["purpose"] != "tuning").sum()),
        counts=tuple((str(status), int(count)) for status, count in trials["status"].value_counts().items()),
        notices=tuple(summing_up.notices(trials, ranked, trouble, str(paths.root))),
        firsts=summing_up.firsts(trials, ranked, shares),
        failures=summing_up.told_of_failures(ranked),
        claims=claims,
        boards=grids.boards(trials, ranked),
        cells=cell_figures(trials, ranked),
        curves=curves,
        breakdowns=broken_down,
        effects=shares,
        ranks=() if under_way else rank_figures(trials),
        tuning=tuning_section(tuning, trials, settings),
        all_trials=grids.trial_grid(trials),
        problems=grids.problem_grid(every),
        invocations=provenance.invocations(environments),
        reproduce=provenance.commands(environments),
        sources=tuple(_sources(paths)),
        trouble=tuple(tables.trouble),
    )


def _breakdowns(tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame) -> Breakdowns:
    """The tables of classes and curves are large: only the rows of the cells that are shown are read."""
    done = trials[trials["status"] == "completed"]
    first = list(done.groupby("dataset", sort=False)["trial_id"].first()) if len(done) else []
    of_first = tables.wanted(CLASSES, breakdowns.CLASS_COLUMNS, [("trial_id", "in", first)])
    classes = breakdowns.classes_of(trials, of_first)
    kept = breakdowns.cells_kept(ranked, {dataset: len(indices) for dataset, (indices, _) in classes.items()})
    shown = list(done.loc[done["cell_id"].isin(ranked["cell_id"].iloc[kept]), "trial_id"])
    curves = tables.wanted(CURVES, breakdowns.CURVE_COLUMNS, [("trial_id", "in", shown)])
    return breakdowns.breakdowns(trials, ranked, kept, classes, curves)


def _tuning_settings(tables: TablesRead) -> pd.DataFrame:
    """How each cell is tuned: long texts, of which a cell's rows all have the same."""
    return tables.every_trial(SETTINGS, [("purpose", "=", "tuning")]).drop_duplicates("cell_id")


def _written(paths: ResultsPaths) -> str:
    table = paths.table(TRIALS.name)
    file = table if table.exists() else paths.journal
    return f"{datetime.fromtimestamp(file.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC"


def _sources(paths: ResultsPaths) -> list[Source]:
    return [
        _source(paths.table(table.name), shows) for table, shows in _SHOWS.items() if paths.table(table.name).exists()
    ]


def _source(path: Path, shows: str) -> Source:
    digest, rows = "", None
    with suppress(pa.ArrowException, OSError, OrchError), reading(path) as file:  # it is damaged, which a notice tells
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        rows = pq.read_metadata(file).num_rows
    return Source(path.name, shows, rows, digest)
