"""Converts results: the one way in, for the command and for notebooks."""

import shlex
from pathlib import Path
from typing import Literal

from orchestrator.conversion.ended import Converted, ended_trials
from orchestrator.conversion.mlflow_runs import address, refuse_without_mlflow, write_runs
from orchestrator.conversion.spreadsheets import write_tables
from orchestrator.conversion.tensorboard import write_events
from orchestrator.store.files import own_folder
from orchestrator.store.paths import ResultsPaths
from trainables.data.files import remove_unfinished

Form = Literal["tensorboard", "mlflow", "csv"]


def convert(paths: ResultsPaths, form: Form, output: Path | None = None) -> tuple[Path, Converted]:
    """Where it was written, and what. output: a folder, made where it is missing; in the results when None.

    Raises UserError where it cannot be written, or a package is missing; DamagedResults.
    """
    if form == "mlflow":
        refuse_without_mlflow()
    folder = own_folder(paths.root / form if output is None else output)
    remove_unfinished(folder)
    if form == "csv":
        return folder, write_tables(paths, folder)
    with ended_trials(paths) as trials:
        if form == "mlflow":
            return folder, write_runs(trials, folder, trials.sweep)
        return folder, write_events(trials, folder)


def shows(form: Literal["tensorboard", "mlflow"], folder: Path) -> str:
    """The command that shows what was written."""
    return shlex.join(
        ["tensorboard", "--logdir", str(folder)]
        if form == "tensorboard"
        else ["mlflow", "ui", "--backend-store-uri", address(folder)]
    )
