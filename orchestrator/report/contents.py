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
from orchestrator.report import breakdowns, summary
from orchestrator.report import tables as grids
from orchestrator.report.deployed import deployed
from orchestrator.report.doubts import doubts
from orchestrator.report.gallery import galleries
from orchestrator.report.kept_images import kept_images
from orchestrator.report.measured import sections
from orchestrator.report.measured.explained_images import with_sheets
from orchestrator.report.page import Invocation, Page, Source
from orchestrator.report.parts import Parts
from orchestrator.report.side_by_side import side_by_side
from orchestrator.report.tuning import SETTINGS, tuning_section
from orchestrator.results.confirmed import Confirmation, confirmed
from orchestrator.store.files import reading
from orchestrator.store.frames import TablesRead
from orchestrator.store.paths import ResultsPaths
from results_schema import CLASSES, CONFIRMATION_TRIALS, CURVES, ENVIRONMENTS, EPOCHS, EVALUATION, TRIALS, TUNING_TRIALS

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


_SHOWS: Final = {
    TRIALS: "leaderboards, heat maps, gaps, costs, effects, ranks, deployment, claims, failures",
    TUNING_TRIALS: "tuning, failures",
    CONFIRMATION_TRIALS: "confirmation",
    EPOCHS: "learning curves",
    CLASSES: "names of the classes",
    CURVES: "ROC curves, confusion matrices",
    ENVIRONMENTS: "environment",
}


def read_page(paths: ResultsPaths, measure: str | None = None) -> Page:
    """What the tables say; where some cannot be read, what can be shown without them. Raises UserError, DamagedResults.

    measure: by which cells are ranked, and which they show, in place of what the grid selects by.
    """
    parts = Parts(paths, measure)
    tables, trials, ranked = parts.tables, parts.trials, parts.ranked
    curves, (claims, unjudged) = parts.curves, parts.claims
    broken_down = breakdowns.NONE if parts.under_way else parts.breakdowns(parts.broken_down)
    settings = _tuning_settings(tables) if len(parts.tuning) else parts.every[:0]
    damage = [*tables.damage, *([unjudged] if unjudged else [])]
    found = _confirmed(paths, damage)
    listed = grids.trial_grid(trials, parts.measures)
    tuning = tuning_section(parts.tuning, trials, settings)
    return Page(
        sweep=parts.sweep,
        open=parts.under_way,
        written=_written(paths),
        trials=len(trials),
        cell_count=len(ranked),
        unplanned=int((parts.unplanned["purpose"].fillna(EVALUATION) == EVALUATION).sum()),
        counts=tuple((str(status), int(count)) for status, count in trials["status"].value_counts().items()),
        asked=parts.asked,
        notices=(
            *(summary.asked(parts.measures, parts.left_out) if parts.asked else ()),
            *summary.notices(trials, ranked, damage, str(paths.root)),
        ),
        doubts=tuple(doubts(trials, ranked, None if parts.under_way else claims, tuning)),
        winners=summary.winners(
            parts.measures,
            ranked,
            parts.effects,
            None if parts.asked else {one.dataset for one in found if one.cells},
        ),
        confirmed=found,
        failures=summary.failure_summary(ranked),
        claims=claims,
        boards=parts.boards,
        cells=parts.cells,
        curves=curves,
        breakdowns=broken_down,
        galleries=() if parts.under_way else galleries(paths, tables, trials, ranked),
        kept_images=kept_images(paths, trials, ranked),
        effects=parts.effects,
        ranks=parts.ranks,
        tuning=tuning,
        deployed=None if parts.under_way else deployed(tables, trials, parts.measures),
        measured=() if parts.under_way else tuple(with_sheets(sections(tables, trials), paths, tables, trials, ranked)),
        all_trials=listed,
        side_by_side=side_by_side(paths, tables, trials, ranked, listed, parts.classes, under_way=parts.under_way),
        problems=grids.problem_grid(parts.every),
        invocations=invocations(parts.environments),
        reproduce=commands(parts.environments),
        sources=tuple(_sources(paths)),
        damage=tuple(tables.damage),
    )


def _confirmed(paths: ResultsPaths, damage: list[str]) -> tuple[Confirmation, ...]:
    """None where its tables cannot be read, which is added to `damage`."""
    try:
        return confirmed(paths)
    except OrchError as error:
        damage.append(f"the confirmation cannot be shown: {error}")
        return ()


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
