"""Tables of the grids that have run, as `docs/paper/` keeps them: who has the repository goes on from there.

A folder a grid: a results directory without its journal, which `orch repair` makes anew from the tables (ADR 18). The rows
of `curves` are left out, the largest table, and those of `epochs` where no claim of the grid is on them.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow.parquet as pq

from orchestrator.evidence.judge import latest_text
from orchestrator.grid.reader import read_text
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import Checksums, digest_of
from orchestrator.store.version import table_version
from results_schema import CURVES, ENVIRONMENTS, EPOCHS, TRIALS, VERSION, still_to_run

KEPT: Final = Path(__file__).parents[2] / "docs" / "paper"


def is_finished(results: ResultsPaths) -> bool:
    """Whether each trial of the latest sweep has ended."""
    path = results.table(TRIALS.name)
    if not path.exists():
        return False
    trials = pd.read_parquet(path, columns=["status", "planned"])
    return not still_to_run(trials.loc[trials["planned"], "status"].value_counts().to_dict())


def keep(results: ResultsPaths, kept: ResultsPaths) -> None:
    """Write the tables of a finished grid in place of those that were kept of it."""
    shutil.rmtree(kept.root, ignore_errors=True)
    kept.root.mkdir(parents=True)
    _copy(results, kept)
    empty = {kept.table(table.name): table for table in (CURVES, *([] if _reads_epochs(results) else [EPOCHS]))}
    for path, table in empty.items():
        pq.write_table(table.schema.empty_table(), path, compression="zstd")
    checksums = replace(Checksums.read(results.checksums), kept={})
    checksums.with_tables({path.name: digest_of(path) for path in empty}).write(kept.checksums)


def _reads_epochs(results: ResultsPaths) -> bool:
    """Whether a verdict on the latest grid needs the epochs of its trials."""
    environments = pd.read_parquet(results.table(ENVIRONMENTS.name))
    claims = read_text(latest_text(environments, results), results.root).claims
    return any(claim.on.table == "epochs" for claim in claims)


def restore(kept: ResultsPaths, results: ResultsPaths) -> None:
    """Make the results directory of what was kept, with a journal."""
    results.root.mkdir(parents=True)
    _copy(kept, results)
    subprocess.run(
        [sys.executable, "-m", "orchestrator", "repair", str(results.root)], check=False
    )  # it says how it went


def is_of_now(results: ResultsPaths) -> bool:
    """Whether its tables are of this version: those of several are no family."""
    return table_version(results.table(TRIALS.name)) == VERSION


def bring_to_now(kept: ResultsPaths) -> None:
    """Write tables that an earlier orch has left as this one writes them."""
    with tempfile.TemporaryDirectory() as folder:
        again = ResultsPaths(Path(folder) / kept.root.name)
        restore(kept, again)
        keep(again, kept)


def _copy(source: ResultsPaths, target: ResultsPaths) -> None:
    for path in sorted(source.root.glob("*.parquet")):
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, target.root / path.name)
    shutil.copyfile(source.checksums, target.checksums)
