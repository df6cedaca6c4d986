"""`orch stop RESULTS`: ask a running sweep to end."""

from pathlib import Path

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH


@click.command(epilog="Example: orch stop results/demo --wait; the sweep's own command then goes on.")
@click.argument("results", type=RESULTS, required=False)
@click.option("--cluster", type=PATH, help="Cluster file (kind jobs): ask its head.")
@click.option("--now", is_flag=True, help="Cancel what runs, as Ctrl-C does; it runs again when the sweep goes on.")
@click.option("--wait", is_flag=True, help="Wait until the sweep has ended.")
def command(results: Path | None, cluster: Path | None, now: bool, wait: bool) -> int:
    """Stop the sweep that writes to the directory RESULTS; with --cluster, the sweep of that name on the cluster.

    The sweep starts no new trial, finishes those that run, writes its tables and exits with 130. This command exits with
    2 if no sweep runs.
    """
    if cluster is not None:
        from orchestrator.cli.head import remote_results, show
        from orchestrator.remote.request import RESULTS

        options = [option for option, given in (("--now", now), ("--wait", wait)) if given]
        return show(remote_results(cluster), ["stop", RESULTS, *options], None if results is None else str(results))
    if results is None:
        raise click.UsageError("name a results directory, such as results/demo, or a --cluster")
    import time

    from orchestrator.errors import UserError
    from orchestrator.store.lock_note import living_holder
    from orchestrator.store.reading import results_at
    from orchestrator.sweep.stop import ask_to_stop

    paths = results_at(results)
    holder = living_holder(paths)
    if holder is None:
        raise UserError(f"no sweep runs in {results}; there is nothing to stop")
    ask_to_stop(paths, "now" if now else "drain")
    what = "cancels the trials that run" if now else "finishes the trials that run"
    say(f"the sweep of {holder} {what} and ends")
    while wait and living_holder(paths) == holder:
        time.sleep(0.1)
    return 0
