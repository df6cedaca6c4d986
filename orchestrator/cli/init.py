"""`orch init`: a grid to start from."""

from pathlib import Path

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.path import PATH


@click.command(epilog="Example: orch init birds.yaml")
@click.argument("file", default="grid.yaml", type=PATH)
@click.option(
    "--from-wandb", "sweep", type=PATH, help="Make it from this W&B sweep file; comments list what has no place."
)
def command(file: Path, sweep: Path | None) -> None:
    """Write a commented starter grid to FILE (default: grid.yaml). Never overwrites."""
    from orchestrator.grid.reader import write_starter

    write_starter(file, sweep=sweep)
    say(f"wrote {file}; see what it would run with: orch plan {file}", err=True)
