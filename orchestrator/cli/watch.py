"""`orch watch RESULTS`: a live page of a sweep."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH

if TYPE_CHECKING:
    from orchestrator.watch.server import Source


@click.command(epilog="Example: orch watch results/demo, or orch watch --cluster jobs.yaml demo")
@click.argument("results", type=RESULTS, required=False)
@click.option("--cluster", type=PATH, help="Cluster file (kind jobs): watch a sweep there.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page.  [default: any free one]")
@click.option("--no-browser", is_flag=True, help="Print the address, but open no browser.")
@click.option("--until-eof", is_flag=True, hidden=True, help="End with the standard input.")
def command(results: Path | None, cluster: Path | None, port: int, no_browser: bool, until_eof: bool) -> int:
    """Serve a live page of the sweep in the directory RESULTS; with --cluster, of the sweep of that name there.

    Prints the page's address, and opens it if there is a browser: how far the sweep is, what each slot does, learning
    curves as they grow, the leaderboard, what failed and why. Only this machine can open the page, and only with the
    address; it only reads. RESULTS need not exist yet. Ctrl-C ends the page; the sweep goes on.
    """
    from orchestrator.watch.session import watch

    watch(_source(results, cluster), say, port=port, browse=not no_browser, until_eof=until_eof)
    return 0


def _source(results: Path | None, cluster: Path | None) -> "Source":
    if cluster is not None:
        from orchestrator.cli.head import remote_results
        from orchestrator.remote.looks import follow_there

        return partial(follow_there, remote_results(cluster), None if results is None else str(results))
    if results is None:
        raise click.UsageError("name a results directory, such as results/demo, or a --cluster")
    from orchestrator.store.local_path import whole_path
    from orchestrator.watch.local import follow

    return partial(follow, whole_path(results))
