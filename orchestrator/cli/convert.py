"""`orch convert RESULTS FORM`: results for TensorBoard, MLflow, or a spreadsheet."""

from pathlib import Path
from typing import Literal

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH


@click.command(epilog="Example: orch convert results/demo tensorboard; orch convert results/demo csv -o tables")
@click.argument("results", type=RESULTS)
@click.argument("form", type=click.Choice(["tensorboard", "mlflow", "csv"]))
@click.option("-o", "--output", type=PATH, help="The folder to write to.  [default: RESULTS/FORM]")
def command(results: Path, form: Literal["tensorboard", "mlflow", "csv"], output: Path | None) -> int:
    """Write the results in the directory RESULTS for another program, and nothing outside the output folder.

    tensorboard: event files, a run for each trial that has ended, with its epochs, hyperparameters and final metrics.
    mlflow: the same in a database that `mlflow ui` reads; needs the mlflow package. csv: a file for each table.

    What was written before stays; running it again adds what is new. Prints the folder and what was written.
    """
    from orchestrator.conversion.convert import convert, shows
    from orchestrator.store.reading import results_at
    from orchestrator.text import counted

    paths = results_at(results)
    folder, done = convert(paths, form, output)
    say(folder)
    say(f"{counted(done.written, done.noun)} written, {done.there} already there")
    if done.waiting:
        say(f"{counted(done.waiting, 'trial')} have still to end: convert again when they have")
    if form != "csv":
        say(shows(form, folder))
    return 0
