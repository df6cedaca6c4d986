"""`orch clean RESULTS`: remove the files of trials that no grid names."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH

if TYPE_CHECKING:
    from orchestrator.store.integrity.cleaning import Remains


@click.command(
    epilog="Example: orch clean results/demo; orch clean results/demo other.yaml spares what other.yaml names."
)
@click.argument("results", type=RESULTS)
@click.argument("grids", type=PATH, nargs=-1)
@click.option("--data", type=PATH, help="Data folder of GRIDS.  [default: ORCH_DATA]")
@click.option(
    "--copies", is_flag=True, help="Also remove journals of older versions, and copies that `orch repair` kept."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; remove nothing without --yes.")
def command(results: Path, grids: tuple[Path, ...], data: Path | None, copies: bool, yes: bool, as_json: bool) -> None:
    """Remove weights, images and checkpoints of trials that neither the latest sweep's grid nor one of GRIDS names.

    Shows a list first, and asks. Rows of all trials stay in the tables. Only files that orch has written are removed, no
    link is followed, and `orch verify` finds the directory intact afterwards. Exits with 5 while a sweep runs here.
    """
    from contextlib import closing

    from orchestrator.store.integrity.cleaning import remains, remove
    from orchestrator.store.lock import ResultsLock
    from orchestrator.store.reading import open_journal, results_at

    paths = results_at(results)
    named = {trial for grid in grids for trial in _trials_of(grid, data)}
    with ResultsLock(paths) as lock:
        with closing(open_journal(paths)) as journal:
            found = remains(paths, journal, named, copies=copies)
        if not as_json:
            say("\n".join(_listed(found, results)))
        wanted = bool(found) and (yes or (not as_json and _agreed()))
        if wanted:
            remove(paths, found, lock.check_now)
    if as_json:
        say(_as_json(found, removed=wanted))
    elif found:
        say("removed" if wanted else "nothing was removed; --yes removes it without a question")


def _trials_of(grid: Path, data: Path | None) -> set[str]:
    """The ids of all trials that a grid names. Raises UserError, GridError."""
    from orchestrator.errors import UserError
    from orchestrator.grid import read_grid
    from orchestrator.plan.plan import Plan
    from orchestrator.plan.prepare import data_location

    plan = Plan(read_grid(grid), data_location(data, grid))
    if plan.missing:
        raise UserError(f"{grid}: its trials cannot be identified without its data: {'; '.join(plan.missing)}")
    found: set[str] = set()
    for cell in plan.cells():
        seeds = plan.seeds_of(cell)
        found.update(cell.trial_ids(seeds), cell.tuning_ids(seeds))
    return found


def _agreed() -> bool:
    import sys

    if not sys.stdin.isatty():
        return False
    say("remove them? [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _listed(found: "list[Remains]", results: Path) -> list[str]:
    from orchestrator.text import counted, size

    if not found:
        return [f"{results}: nothing to remove"]
    lines = [f"{results}: {size(sum(one.bytes for one in found))} of trials that no grid names"]
    for one in found:
        first = one.names[0].rpartition("/")[2]
        lines.append(f"  {size(one.bytes):>10}  {one.what} ({counted(len(one.names), 'entry')}, such as {first})")
    return lines


def _as_json(found: "list[Remains]", *, removed: bool) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"removed": removed, "found": [asdict(one) for one in found]}, indent=2)
