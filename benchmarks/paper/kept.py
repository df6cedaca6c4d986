"""Tables of the grids that have run, as `docs/paper/` keeps them: who has the repository goes on from there.

A folder a grid: a results directory without its journal, which `orch repair` makes anew from the tables (ADR 18). The rows
of `curves`, the largest table, are left out: no claim is on them.
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

from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import Checksums, digest_of
from orchestrator.store.version import table_version
from results_schema import TABLES, TRIALS, VERSION, still_to_run

KEPT: Final = Path(__file__).parents[2] / "docs" / "paper"
_LEFT_OUT: Final = "curves"


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
    (empty,) = (table for table in TABLES if table.name == _LEFT_OUT)
    left_out = kept.table(empty.name)
    pq.write_table(empty.schema.empty_table(), left_out, compression="zstd")
    checksums = Checksums.read(results.checksums)
    replace(checksums, kept={}).with_tables({left_out.name: digest_of(left_out)}).write(kept.checksums)


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
