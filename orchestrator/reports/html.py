"""One self-contained HTML file from the tables of a results directory: `orch report`."""

import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from pydantic import TypeAdapter

from orchestrator.errors import DamagedResults, UserError
from orchestrator.reports import charts, grids
from orchestrator.reports.cells import AXES, summarise
from orchestrator.reports.page import Confusion, Page, Source
from orchestrator.reports.provenance import invocations
from orchestrator.reports.template import environment, write_page
from orchestrator.store.paths import ResultsPaths
from results_schema import CLASSES, CURVES, ENVIRONMENTS, EPOCHS, TRIALS, Table

_TRIAL_COLUMNS: Final = [
    "trial_id",
    "cell_id",
    "sweep",
    "planned",
    *AXES,
    "seed",
    "status",
    "reason",
    "epochs",
    "best_epoch",
    "val_accuracy",
    "test_accuracy",
    "test_f1_macro",
    "val_mse",
    "test_mse",
    "test_r2",
    "train_seconds",
    "parameters",
]
_EPOCH_COLUMNS: Final = ["trial_id", "epoch", "val_accuracy", "val_mse"]
_SHOWS: Final = {
    TRIALS: "heat maps, tables, problems",
    EPOCHS: "learning curves",
    CLASSES: "names of the classes",
    CURVES: "confusion matrices",
    ENVIRONMENTS: "environment",
}


def write_report(paths: ResultsPaths, output: Path) -> None:
    """Write the page. Raises UserError (no tables yet, or no place to write to), DamagedResults."""
    write_page(render(read_page(paths)), output)


def read_page(paths: ResultsPaths) -> Page:
    """What the tables say. Raises UserError, DamagedResults."""
    known = _frame(paths, TRIALS, _TRIAL_COLUMNS)
    trials = known[known["planned"]] if known["planned"].any() else known
    cells = summarise(trials)
    return Page(
        sweep=str(trials["sweep"].iloc[-1]) if len(trials) else paths.root.name,
        written=f"{datetime.fromtimestamp(paths.table(TRIALS.name).stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC",
        trials=len(trials),
        unplanned=len(known) - len(trials),
        counts=tuple((str(status), int(count)) for status, count in trials["status"].value_counts().items()),
        best=charts.best_cells(trials, cells),
        heat_maps=charts.heat_maps(trials, cells),
        curves=charts.learning_curves(trials, cells, _frame(paths, EPOCHS, _EPOCH_COLUMNS)),
        cells=grids.cell_grid(trials, cells),
        all_trials=grids.trial_grid(trials),
        problems=grids.problem_grid(trials),
        confusions=tuple(_confusions(paths, trials)),
        invocations=invocations(_frame(paths, ENVIRONMENTS)),
        sources=tuple(_source(paths, table, shows) for table, shows in _SHOWS.items()),
    )


def render(page: Page) -> str:
    """The page as HTML that needs nothing else."""
    templates = environment()
    templates.globals |= {"embedded": _embedded, "plotly": _plotly}
    return templates.get_template("report.html.j2").render(page=page)


def _embedded(value: object) -> Markup:
    """Values as JSON that cannot end the script element which holds them."""
    plain = TypeAdapter(type(value)).dump_python(value, mode="json")
    return htmlsafe_json_dumps(plain, dumps=partial(json.dumps, allow_nan=False, separators=(",", ":")))


def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())  # noqa: S704 - the library's own script


def _confusions(paths: ResultsPaths, trials: pd.DataFrame) -> list[Confusion]:
    found = []
    for trial, measure in charts.best_trials(trials):
        own = [("trial_id", "=", str(trial["trial_id"]))]
        counts = _frame(paths, CURVES, where=[*own, ("curve", "=", "confusion")])
        classes = _frame(paths, CLASSES, where=own).sort_values("class_index")
        matrix = charts.confusion(trial, measure, classes, counts)
        if matrix is not None:
            found.append(matrix)
    return found


def _frame(
    paths: ResultsPaths, table: Table, columns: list[str] | None = None, where: list[tuple[str, str, str]] | None = None
) -> pd.DataFrame:
    """Some columns of some rows; `curves` and `epochs` of a large sweep are not read whole."""
    path = paths.table(table.name)
    try:
        read = pq.read_table(path, columns=columns, filters=where, page_checksum_verification=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist yet: a sweep writes its tables every half minute and at its end; run it first"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise DamagedResults(f"{path} is damaged: {error}; delete it and run the sweep again to rebuild it") from error
    frame: pd.DataFrame = read.to_pandas()
    return frame


def _source(paths: ResultsPaths, table: Table, shows: str) -> Source:
    path = paths.table(table.name)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(path.name, shows, pq.read_metadata(path).num_rows, digest)
