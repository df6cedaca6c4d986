"""`orch repair RESULTS`: make anew what is damaged, and name what is lost."""

from pathlib import Path

import click

from orchestrator.cli.terminal.completion import RESULTS


@click.command(epilog="Example: orch repair results/demo; then the sweep's own command runs what was lost.")
@click.argument("results", type=RESULTS)
def command(results: Path) -> int:
    """Repair the directory RESULTS, as far as possible.

    Tables are written again from the journal; a damaged journal is rebuilt from the tables; a copy of every damaged file
    is kept in RESULTS/damaged. Trials that ended after the tables were written run again. Exits with 0 if everything is
    intact again, 4 if something was lost (it says what), 5 while a sweep runs here.
    """
    from orchestrator.cli.terminal import say
    from orchestrator.errors import UserError
    from orchestrator.store.integrity.repair import repair
    from orchestrator.store.integrity.verify import left_on, verify
    from orchestrator.store.lock import ResultsLock
    from orchestrator.store.reading import results_at

    paths = results_at(results)
    lost = False
    list(verify(paths))  # what is no results directory is reported before anything is written
    if (cluster := left_on(paths)) is not None:
        raise UserError(
            f"{results} was fetched while its sweep ran on {cluster}; `orch fetch` fetches intact files again"
        )
    with ResultsLock(paths) as lock:
        for line in repair(paths, lock.check_now):
            say(line)
            lost |= line.startswith("LOST ")
        damaged = [verdict for verdict in verify(paths) if not verdict.intact]
    for verdict in damaged:
        say(f"DAMAGED {verdict.file}: {verdict.damage}")
    say(f"{results} is {'not intact' if damaged else 'intact'}{'; what was lost is named above' if lost else ''}")
    return 4 if damaged or lost else 0
