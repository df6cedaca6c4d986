"""The group of commands: one file a command, imported only when it is used."""

import os
import signal
from collections.abc import Sequence
from importlib import import_module
from io import StringIO
from typing import Final

import click

from orchestrator.cli.terminal import say
from orchestrator.errors import Interrupted, OrchError, UserError
from orchestrator.store.local_path import refuse_addresses_in, refuse_deleted_working_directory
from orchestrator.sweep.stop import signal_of
from orchestrator.text import secret_in

COMMANDS: Final = {
    "sweep": "Run what is missing from a grid.",
    "plan": "Show what a sweep would run, and what it would skip.",
    "init": "Write a commented starter grid.",
    "list": "List the components that a grid can name.",
    "data": "Show what a data set holds: counts, classes, duplicates, images.",
    "schema": "Print the JSON Schema of grid files.",
    "doctor": "Check this machine, and say how to fix it.",
    "status": "Show how far a sweep is.",
    "watch": "Serve a live page of a sweep.",
    "results": "Show the trials of a sweep as a table.",
    "logs": "Show what happened to one trial.",
    "debug": "Run one trial here, for a debugger.",
    "predict": "Show what a trial's net says of image files.",
    "explain": "Show which pixels a trial's net has its answers from.",
    "monitor": "Watch a trial's net on pictures as they come.",
    "export": "Write a trial's net as a file for other programs.",
    "measure": "Find something out about trained nets, without training.",
    "audit": "Show which parts of the data nets do worst on.",
    "report": "Write a sweep's report as one HTML file.",
    "figure": "Draw a figure for a paper, with its caption.",
    "claims": "Give verdicts on what a grid claims.",
    "convert": "Write results for TensorBoard, MLflow or a spreadsheet.",
    "wandb": "Send to W&B what it does not have yet.",
    "fetch": "Copy a sweep's results from a cluster.",
    "stop": "Stop a running sweep gracefully.",
    "du": "Show how much disk space a sweep takes.",
    "clean": "Remove files of trials that no grid names.",
    "verify": "Check that every file of a sweep is intact.",
    "repair": "Repair damaged results.",
}
"""Name to the line that `orch --help` shows: a command's own file is not imported for it."""


class LazyGroup(click.Group):
    """Imports `orchestrator.cli.<name>` when the command is invoked, so that help and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"orchestrator.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as unknown:
            from trainables.errors import alike, meant

            hint = meant(map(repr, alike(args[0], COMMANDS, most=1)), "")
            if hint and "No such command" in unknown.message:
                raise click.UsageError(f"no such command {args[0]!r}; {hint}", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        say(f"orch {version('orch-grid')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
def orch() -> None:
    """Run a full grid of image-recognition experiments on Ray.

    A grid file names data sets, models, optimizers and regularizers; every combination becomes a trial, and every trial
    a row in a Parquet table, a W&B run and a line in a report.

    \b
    Start with:
      orch init grid.yaml
      orch plan grid.yaml
      orch sweep grid.yaml
    """


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line and return its exit code."""
    try:
        _refuse_secrets(arguments)
        refuse_addresses_in(os.environ)
        refuse_deleted_working_directory()
        code = orch.main(args=list(arguments), prog_name="orch", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit as done:  # a shell has been told what to offer after TAB
        return done.code if isinstance(done.code, int) else 1
    except (Exception, KeyboardInterrupt) as error:  # a signal may come as anything  # noqa: BLE001
        return _answered(error)
    return code if isinstance(code, int) else 0


def _answered(error: BaseException) -> int:
    """Say what went wrong and return its exit code; raises the error where it is a fault of the program."""
    if not isinstance(error, Interrupted) and (number := signal_of(error)) is not None:
        say(f"stopped by {signal.Signals(number).name}; the same command starts over", err=True)
        return 128 + number
    match error:
        case click.ClickException():
            written = StringIO()
            error.show(written)
            say(written.getvalue().rstrip("\n"), err=True)
            return error.exit_code
        case OrchError():
            say(error, err=True)
            return exit_code(error)
    raise error


def _refuse_secrets(arguments: Sequence[str]) -> None:
    """Raises UserError where an argument holds the value of a secret variable: the process list shows it to everyone."""
    for argument in arguments:
        if (found := secret_in(argument)) is not None:
            raise UserError(
                f"the command line contains the value of {found[0]}, and every user of this machine can read command lines; "
                f"leave it out: keys are read from the environment, netrc or a file with mode 0600"
            )


def exit_code(error: OrchError) -> int:
    """2 the user's input, 3 infrastructure lost, 4 damaged results, 5 locked; 128 and its number for a signal."""
    return 128 + error.signal_number if isinstance(error, Interrupted) else error.exit_code
