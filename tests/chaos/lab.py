"""A folder with a grid, the sweep that runs in it, and how that grid's trials end when nothing disturbs them."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial, table_of
from results_schema import OF_MEASUREMENTS
from tests.chaos.driver import WITNESS
from tests.chaos.figures import require
from tests.chaos.forked import Command, Ended, start

GRID = """\
name: sweep
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [16]}]
  optimizer: [%s]
seeds: %s
protocol: {epochs: 2, batch_size: 256%s}
overrides: [%s]
wandb: {mode: disabled}
"""
SGD, ADAM = "{name: sgd, lr: 0.1}", "{name: adam, lr: 0.01}"


def grid(
    seeds: Sequence[int] = (0, 1, 2, 3), optimizers: Sequence[str] = (SGD, ADAM), protocol: str = "", override: str = ""
) -> str:
    return GRID % (", ".join(optimizers), list(seeds), protocol and f", {protocol}", override)


SMALL = grid()
"""Eight tiny trials."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An undisturbed run."""

    planned: frozenset[str]
    metrics: pd.DataFrame
    """By trial id: what a repetition has to give bit by bit."""
    findings: Mapping[str, pd.DataFrame]
    """What was found out about its nets, by table: bit by bit the same too."""


@dataclass(frozen=True, slots=True)
class Lab:
    """Where one case happens."""

    folder: Path
    reference: Reference

    @property
    def results(self) -> Path:
        return self.folder / "results" / "sweep"

    @property
    def paths(self) -> ResultsPaths:
        return ResultsPaths(self.results)

    def begin(self, *options: str) -> Command:
        return start(self.folder, "sweep", "grid.yaml", "--engine", "inline", *options)

    def sweep(self, *options: str) -> Ended:
        return self.begin(*options).wait()

    def witness(self) -> list[tuple[str, str, int]]:
        """(`began` or `ended`, trial id, attempt) in their order."""
        file = self.folder / WITNESS
        lines = file.read_text().splitlines() if file.exists() else []
        return [(what, trial_id, int(attempt)) for what, trial_id, attempt, _ in map(str.split, lines)]


def measured(trials: pd.DataFrame) -> pd.DataFrame:
    """The columns that a repetition has to give bit by bit, by trial id."""
    names = [name for name in trials.columns if name.startswith(("train_", "val_", "test_")) and "seconds" not in name]
    return trials.set_index("trial_id").sort_index()[[*names, "status", "best_epoch", "parameters", "flops"]]


def findings(paths: ResultsPaths) -> dict[str, pd.DataFrame]:
    """The tables of measurements that have rows, in the order of their keys."""
    tables = {table.name: table_of(paths, table).to_pandas().sort_values(list(table.key)) for table in OF_MEASUREMENTS}
    return {name: rows.reset_index(drop=True) for name, rows in tables.items() if len(rows)}


class Labs:
    """Makes labs under a folder, which also keeps the undisturbed runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._references: dict[str, Reference] = {}

    def lab(self, name: str, text: str, *, pace: float = 0.0) -> Lab:
        """pace: seconds that a trial takes at least."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        _prepare(folder, text, pace)
        return Lab(folder, self.reference(text))

    def reference(self, text: str) -> Reference:
        """Of the plainest engine that can run the grid."""
        if text not in self._references:
            folder = self.root / "undisturbed" / hashlib.sha256(text.encode()).hexdigest()[:12]
            table = folder / "results" / "sweep" / "trials.parquet"
            whole = folder / "whole"  # one that was given up half way has tables too
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                _prepare(folder, text, 0.0)
                engine = "ray" if "workers: 2" in text else "inline"
                ended = start(folder, "sweep", "grid.yaml", "--engine", engine).wait()
                require(ended.code == 0, f"the undisturbed sweep ended with {ended.code}: {ended.errors}")
                whole.touch()
            trials = every_trial(ResultsPaths(table.parent)).to_pandas()
            found = findings(ResultsPaths(table.parent))
            self._references[text] = Reference(frozenset(trials["trial_id"]), measured(trials), found)
        return self._references[text]


def _prepare(folder: Path, text: str, pace: float) -> None:
    folder.mkdir(parents=True)
    (folder / "grid.yaml").write_text(text)
    if pace:
        (folder / "pace").write_text(str(pace))
