"""`orch sweep GRID`: run what is missing of a grid."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH

if TYPE_CHECKING:
    from clusters.spec import ClusterSpec
    from orchestrator.plan.progress import Progress
    from orchestrator.results.confirmed import Confirmation
    from orchestrator.sweep.notify import Notice, Notifier
    from orchestrator.sweep.run import SweepRequest


def _words(context: click.Context, _: click.Parameter, command: str | None) -> list[str]:
    """Split a command line, which no shell ever sees."""
    import shlex

    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise click.BadParameter(f"{command!r} is not a command line: {error}", context) from None


@click.command(
    epilog="Example: orch sweep grid.yaml --cluster gpu.yaml --data ~/data; the same command again runs what is missing."
)
@click.argument("grid", type=PATH)
@click.option("--cluster", type=PATH, help="Cluster file.  [default: this machine]")
@click.option(
    "--engine",
    type=click.Choice(["ray", "inline"]),
    default="ray",
    show_default=True,
    help="inline: one trial after another in this process, for a debugger.",
)
@click.option("--results", type=RESULTS, help="Results directory.  [default: results/NAME]")
@click.option("--data", type=PATH, help="Data folder.  [default: ORCH_DATA]")
@click.option(
    "--max-trials",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Refuse a grid with more trials than this.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="Use this many seeds in place of the grid's own number; of a list of seeds, the first ones.",
)
@click.option(
    "--add-seeds",
    is_flag=True,
    help="Add seeds to the cells of open claims, look by look, until the claims are decided; later sweeps keep the seeds.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="TRIAL",
    help="Run only this trial, if it has not ended (the beginning of its id is enough); a tuned cell is tuned first."
    " Repeatable.",
)
@click.option(
    "--confirm",
    is_flag=False,
    flag_value=0,
    type=click.IntRange(min=0),
    metavar="[N]",
    help="Run the cell that came first, and those that tie with it, on fresh seeds: N, or as many as the grid has; the"
    " outcome is printed at the end, and by `orch results RESULTS --confirmed`.",
)
@click.option(
    "--retrain-parents",
    is_flag=True,
    help="Train nets again of which deployments are to be made and whose weights were not kept; one that does not come out"
    " as its row says, epoch by epoch, is an error.",
)
@click.option("--retry", is_flag=True, help="Run failed, timed-out and out-of-memory trials again.")
@click.option(
    "--wandb",
    "wandb_mode",
    type=click.Choice(["auto", "online", "offline", "disabled"]),
    help="Use this in place of the grid's wandb.mode.",
)
@click.option(
    "--notify",
    metavar="COMMAND",
    envvar="ORCH_NOTIFY",
    callback=_words,
    help="Call this at the first failure and at the end, without a shell; docs/faults.md says what it receives."
    "  [env: ORCH_NOTIFY]",
)
@click.option("--watch", is_flag=True, help="Serve a page that follows the sweep, as `orch watch` does.")
@click.option("--detach", is_flag=True, help="With a cluster of kind jobs: return once the sweep has been submitted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for every trial, even on a terminal.")
def command(
    grid: Path,
    cluster: Path | None,
    engine: str,
    results: Path | None,
    data: Path | None,
    max_trials: int,
    seeds: int | None,
    add_seeds: bool,
    only: tuple[str, ...],
    confirm: int | None,
    retrain_parents: bool,
    retry: bool,
    wandb_mode: str | None,
    notify: list[str],
    watch: bool,
    detach: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run every trial of the grid file GRID that has not been run yet.

    Finished trials are rows of the Parquet tables in the results directory. Ctrl-C keeps everything that is finished;
    the same command goes on. Exits with 0 if every planned trial is completed, diverged or skipped, 1 if some failed,
    2 for a mistake in the input or if no trial could run, 3 if the cluster was lost, 4 for damaged results, 5 if
    another sweep runs here.
    """
    from orchestrator.cli.head import remote
    from orchestrator.sweep.notify import Notice, Notifier
    from orchestrator.sweep.run import SweepRequest

    if confirm is not None and (add_seeds or only):
        other = "--add-seeds" if add_seeds else "--only"
        raise click.UsageError(
            f"--confirm and {other} exclude each other: what comes first is known only when all trials have ended"
        )
    request = SweepRequest(
        grid=grid,
        cluster=cluster,
        engine="inline" if engine == "inline" else "ray",
        results=results,
        data=data,
        max_trials=max_trials,
        seeds=seeds,
        add_seeds=add_seeds,
        only=only,
        confirm=confirm,
        retrain_parents=retrain_parents,
        retry=retry,
        wandb_mode=wandb_mode,
    )
    head = remote(cluster)
    if detach:
        _refuse_detached(cluster, head, notify=bool(notify), watch=watch)
    about = _about(request, elsewhere=head is not None) if notify or watch else Notice(str(grid))
    notifier = Notifier(notify, about, lambda text: say(text, err=True))
    if head is not None:
        return _on_head(request, head, notifier, watch=watch, detach=detach, as_json=as_json, quiet=quiet)
    at = about.results if watch else None  # of a grid that cannot be read there is none
    return _here(request, notifier, at, as_json=as_json, quiet=quiet, verbose=verbose)


def _refuse_detached(cluster: Path | None, head: "ClusterSpec | None", *, notify: bool, watch: bool) -> None:
    if head is None:
        raise click.UsageError("--detach needs a --cluster of kind jobs: otherwise the sweep is this process")
    if notify:
        raise click.UsageError(
            "with --detach nothing is left here to call the --notify command when the sweep ends: leave one of them out"
            " (ORCH_NOTIFY= before the command unsets it)"
        )
    if watch:
        raise click.UsageError(
            f"with --detach nothing runs here; `orch watch --cluster {cluster} NAME` watches the sweep"
        )


def _here(
    request: "SweepRequest", notifier: "Notifier", at: str | None, *, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Run the sweep in this process. at: the results that a page is to follow; None for no page."""
    from orchestrator.cli.terminal.display import display
    from orchestrator.sweep.notify import notifying
    from orchestrator.sweep.run import run_sweep
    from orchestrator.watch.beside import watched

    with notifying(notifier) as ended:
        # a display that is drawn anew would paint over a debugger's prompt
        with (
            display(quiet=quiet, verbose=verbose or request.engine == "inline") as progress,
            watched(None if at is None else [at], _told(progress, quiet=quiet)),
        ):
            summary = run_sweep(request, notifier.watching(progress))
        ended(summary.exit_code, summary.as_text(), summary.counts)
    confirms = request.confirm is not None
    found = _confirmed(summary.results) if confirms else ()
    if as_json:
        import json

        more = {"confirmation": [cell.as_json() for one in found for cell in one.cells]} if confirms else {}
        say(json.dumps(summary.as_json() | more))
    elif not quiet:
        say(summary.as_text(), err=True)
        for one in found:
            say("\n  ".join(one.lines))
    return summary.exit_code


def _told(progress: "Progress", *, quiet: bool) -> Callable[[str], None]:
    """How the page's address is said: to who wants to hear nothing but errors as well, who could not open it without."""
    return partial(say, err=True) if quiet else progress.note


def _confirmed(results: Path) -> "tuple[Confirmation, ...]":
    from orchestrator.results.confirmed import confirmed
    from orchestrator.store.paths import ResultsPaths

    return confirmed(ResultsPaths(results))


def _about(request: "SweepRequest", *, elsewhere: bool) -> "Notice":
    """Return what is known of a sweep before it begins."""
    from contextlib import suppress

    from orchestrator.errors import OrchError
    from orchestrator.grid import read_grid
    from orchestrator.sweep.notify import Notice

    name, results = None, request.results
    with suppress(OrchError, OSError):  # the sweep itself tells what is wrong
        name = read_grid(request.grid).name
        results = (results or Path("results") / name).absolute()
    return Notice(str(request.grid), name, None if elsewhere or results is None else str(results))


def _on_head(
    request: "SweepRequest",
    cluster: "ClusterSpec",
    notifier: "Notifier",
    *,
    watch: bool,
    detach: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Submit the sweep, and show what it says until it ends, or until nobody wants to see it any more."""
    from orchestrator.cli.terminal.display import display
    from orchestrator.remote.jobs import follow, submit
    from orchestrator.sweep.notify import notifying
    from orchestrator.sweep.stop import signal_of
    from orchestrator.watch.beside import watched

    with notifying(notifier) as ended:
        submitted = submit(request, cluster, as_json=as_json)
        if submitted.wish is not None and not quiet:
            say(submitted.wish.message, err=True)
        message = (
            f"{submitted.name} is job {submitted.job_id} on {cluster.name}; from anywhere:\n{submitted.commands()}"
        )
        if detach:
            say(message)
            return 0
        try:
            there = ["--cluster", str(submitted.file), submitted.name] if watch else None
            with display(quiet=quiet, verbose=True) as progress, watched(there, _told(progress, quiet=quiet)):
                progress.note(f"submitted job {submitted.job_id} to {cluster.name}; Ctrl-C leaves it running")
                answer = follow(submitted, progress)
        except KeyboardInterrupt as stopped:
            unheard = "; nobody is notified of its end" if notifier.wanted else ""
            say(f"\nthe sweep goes on there{unheard}: {message}", err=True)
            return 128 + (signal_of(stopped) or signal.SIGINT)
        ended(answer.code, f"{submitted.name} has ended on {cluster.name}", None)
    if answer.output:
        say(answer.output.rstrip("\n"))
    return answer.code
