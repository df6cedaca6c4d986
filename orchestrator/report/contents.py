"""What the tables of a results directory say, as the page shows it: `orch report`."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import OrchError
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.evidence.selection import SCORES, is_open
from orchestrator.report import charts, summary
from orchestrator.report import tables as grids
from orchestrator.report.charts import axis_effects, cell_figures, rank_figures
from orchestrator.report.claims import claim_section
from orchestrator.report.gallery import galleries
from orchestrator.report.page import Invocation, Page, Source
from orchestrator.report.page_data import Breakdowns
from orchestrator.report.tuning import SETTINGS, tuning_section
from orchestrator.results.ranked import COSTS, class_counts, ranked_cells
from orchestrator.store.files import reading
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from results_schema import CLASSES, CURVES, ENVIRONMENTS, EPOCHS, TRIALS, TUNING_TRIALS
from trainables import AXES

# On what the trials ran: the rows of the `environments` table in words.

INVOCATIONS_KEPT: Final = 20


def invocations(environments: pd.DataFrame) -> tuple[Invocation, ...]:
    """The latest first."""
    latest = environments.sort_values("started_at", ascending=False).head(INVOCATIONS_KEPT)
    return tuple(_invocation(row) for row in latest.to_dict("records"))


def _invocation(row: dict[Any, Any]) -> Invocation:
    facts = (
        ("Command", row["command"]),
        ("orch", f"{row['orch_version']} (results version {row['results_version']})"),
        ("Python", row["python"]),
        ("Platform", row["platform"]),
        ("Host", row["host"]),
        ("Processor", f"{row['cpu']}, {row['cpus']} used"),
        ("Memory", f"{row['memory_bytes'] / 2**30:.1f} GiB"),
        ("GPUs", _gpus(row["gpus"])),
        ("Git commit", _commit(row["git_commit"], row["git_dirty"])),
        ("Cluster", row["cluster"]),
        ("Environment id", row["environment_id"]),
    )
    return Invocation(
        started="not recorded" if pd.isna(row["started_at"]) else f"{row['started_at']:%Y-%m-%d %H:%M:%S} UTC",
        facts=tuple((name, str(value)) for name, value in facts),
        packages=tuple(sorted((str(name), str(version)) for name, version in _loaded(row["packages"], {}).items())),
        grid=str(row["grid"]),
    )


def _gpus(text: str | None) -> str:
    found = _loaded(text, None)
    return "not recorded" if found is None else ", ".join(map(str, found)) or "none"


def _loaded(text: str | None, absent: Any) -> Any:
    """A column that a table of another orch may lack."""
    return absent if text is None or pd.isna(text) else json.loads(text)


def _commit(commit: str | None, dirty: bool | None) -> str:
    if commit is None or pd.isna(commit):
        return "not a git checkout"
    return f"{commit}{' with uncommitted changes' if dirty else ''}"


def commands(environments: pd.DataFrame) -> tuple[str, ...]:
    """Return what runs the latest sweep again."""
    if environments.empty:
        return ()
    latest = environments.sort_values("started_at", kind="stable").to_dict("records")[-1]
    return (f"pip install orch-grid=={latest['orch_version']}", str(latest["command"]))


_TRIAL_COLUMNS: Final = [
    "trial_id",
    "cell_id",
    "purpose",
    "tuned",
    "repetition",
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
    pictures = KeptPictures(paths)
    ranked = ranked_cells(trials, class_counts(trials, tables), pictures)
    tables.damage += pictures.damage
    shares = () if under_way else axis_effects(trials)
    environments = tables.wanted(ENVIRONMENTS, ENVIRONMENTS.columns)
    claims, unjudged = claim_section(paths, environments["grid"].dropna(), under_way=under_way)
    curves = charts.learning_curves(trials, ranked, tables.wanted(EPOCHS, charts.EPOCH_COLUMNS))
    broken_down = charts.NONE if under_way else _breakdowns(tables, trials, ranked)
    settings = _tuning_settings(tables) if len(tuning) else every[:0]
    damage = [*tables.damage, *([unjudged] if unjudged else [])]
    return Page(
        sweep=str(trials["sweep"].iloc[-1]) if len(trials) else paths.root.name,
        open=under_way,
        written=_written(paths),
        trials=len(trials),
        cell_count=len(ranked),
        unplanned=int((unplanned["purpose"] != "tuning").sum()),
        counts=tuple((str(status), int(count)) for status, count in trials["status"].value_counts().items()),
        notices=tuple(summary.notices(trials, ranked, damage, str(paths.root))),
        winners=summary.winners(trials, ranked, shares),
        failures=summary.failure_summary(ranked),
        claims=claims,
        boards=grids.boards(trials, ranked),
        cells=cell_figures(trials, ranked),
        curves=curves,
        breakdowns=broken_down,
        galleries=() if under_way else galleries(paths, tables, trials, ranked),
        effects=shares,
        ranks=() if under_way else rank_figures(trials),
        tuning=tuning_section(tuning, trials, settings),
        all_trials=grids.trial_grid(trials),
        problems=grids.problem_grid(every),
        invocations=invocations(environments),
        reproduce=commands(environments),
        sources=tuple(_sources(paths)),
        damage=tuple(tables.damage),
    )


def _breakdowns(tables: TablesRead, trials: pd.DataFrame, ranked: pd.DataFrame) -> Breakdowns:
    """The tables of classes and curves are large: only the rows of the cells that are shown are read."""
    done = trials[trials["status"] == "completed"]
    first = list(done.groupby("dataset", sort=False)["trial_id"].first()) if len(done) else []
    of_first = tables.wanted(CLASSES, charts.CLASS_COLUMNS, [("trial_id", "in", first)])
    classes = charts.classes_of(trials, of_first)
    kept = charts.cells_kept(ranked, {dataset: len(indices) for dataset, (indices, _) in classes.items()})
    shown = list(done.loc[done["cell_id"].isin(ranked["cell_id"].iloc[kept]), "trial_id"])
    curves = tables.wanted(CURVES, charts.CURVE_COLUMNS, [("trial_id", "in", shown)])
    return charts.breakdowns(trials, ranked, kept, classes, curves)


def _tuning_settings(tables: TablesRead) -> pd.DataFrame:
    """Return how each cell is tuned: long texts, of which a cell's rows all have the same."""
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
