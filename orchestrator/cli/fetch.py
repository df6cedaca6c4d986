"""`orch fetch --cluster FILE NAME`: copy a sweep's results from a cluster to this machine."""

from pathlib import Path

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH


@click.command(epilog="Example: orch fetch --cluster jobs.yaml demo")
@click.argument("name", required=False)
@click.option("--cluster", type=PATH, required=True, help="Cluster file of kind jobs.")
@click.option("--results", type=RESULTS, help="Where to copy them.  [default: results/NAME]")
def command(name: str | None, cluster: Path, results: Path | None) -> None:
    """Copy the results of the sweep NAME (default: the only one there) from the cluster's head to this machine.

    Tables, page, images and weights are copied and verified by checksum; checkpoints stay there. Run it again to copy
    what is newer.
    """
    from orchestrator.cli.head import remote_results
    from orchestrator.cli.terminal.display import display
    from orchestrator.remote.fetch import fetch

    with display(quiet=False, verbose=True) as progress:
        fetched = fetch(remote_results(cluster), name, results, progress)
    say(f"{fetched.files} files, {fetched.bytes / 2**20:.1f} MiB, in {fetched.results}")
    if fetched.running:
        say("the sweep is still running: these are its tables so far; fetch again when it has ended", err=True)
