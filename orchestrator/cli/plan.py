"""`orch plan GRID`: what a sweep would run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from orchestrator.cli.terminal import console, say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH
from orchestrator.text import duration

if TYPE_CHECKING:
    from clusters.spec import ClusterSpec
    from orchestrator.sweep.preview import Preview

_REASONS: Final = 5
"""Why trials are left behind: so many reasons are shown."""
_WIDE: Final = 10_000
"""Columns where there is no terminal: what is piped on is not cut."""


@click.command(epilog="Example: orch plan grid.yaml --data ~/data")
@click.argument("grid", type=PATH)
@click.option("--results", type=RESULTS, help="Results directory.  [default: results/NAME]")
@click.option("--data", type=PATH, help="Data folder.  [default: ORCH_DATA]")
@click.option(
    "--cluster",
    type=PATH,
    help="Cluster file; with kind jobs, plan on the head, with its data.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(grid: Path, results: Path | None, data: Path | None, cluster: Path | None, as_json: bool) -> int:
    """Show what `orch sweep` would run of the grid file GRID, what is already done, and what is skipped and why.

    Writes nothing, downloads nothing and starts nothing; if the cluster's Ray runs, it is asked what there is room for.
    Exits with 0, or with 2 for a mistake in the input or if no trial could run.
    """
    from orchestrator.cli.head import remote
    from orchestrator.sweep.preview import preview

    if (head := remote(cluster)) is not None:
        return _on_head(head, grid, as_json)
    seen = preview(grid, results=results, data=data, cluster=cluster)
    for warning in seen.warnings:
        say(f"{warning} (warning)", err=True)
    if seen.changed is not None:
        say(f"warning: {seen.changed}", err=True)
    for missing in seen.missing:
        say(f"{missing}; a sweep would try to download it first", err=True)
    if seen.unread:
        say(
            f"not checked: the pixels of {', '.join(seen.unread)}; a sweep reads them before anything else, and "
            "`orch data --all DATASET` reads them now",
            err=True,
        )
    if seen.assumed is not None:
        say(f"{seen.assumed} (warning)", err=True)
    if as_json:
        import json

        say(json.dumps(_as_json(seen), indent=2))
    else:
        _print(seen)
    return 2 if seen.counts.nothing_can_run else 0


def _on_head(cluster: "ClusterSpec", grid: Path, as_json: bool) -> int:
    """Plan on the head: this machine need not have the data, and its fingerprints are the cluster's."""
    from orchestrator.cli.head import show
    from orchestrator.grid import read_grid
    from orchestrator.remote.request import CLUSTER, GRID, RESULTS

    name = read_grid(grid).name  # what is wrong in it shows before anything travels
    asked = ["plan", f"{GRID}/{grid.name}", "--results", RESULTS, "--cluster", CLUSTER]
    return show(cluster, [*asked, *(["--json"] if as_json else [])], name, grid)


def _as_json(seen: "Preview") -> dict[str, Any]:
    counts = seen.counts
    return {
        "name": seen.name,
        "results": str(seen.results),
        "cells": counts.cells,
        "trials": counts.trials,
        "most_trials": seen.most_trials,
        "looks": None if seen.looks is None else list(seen.looks.all_sizes),
        "tuning_trials": counts.tuning_trials,
        "variants": counts.variants,
        "measurements": counts.measurements,
        "update_trials": counts.updates,
        "confirmation_trials": counts.confirmation_trials,
        "fused": [{"places": places, "trials": trials} for places, trials in counts.fused.items()],
        "not_fused": [{"reason": reason, "trials": trials} for reason, trials in counts.alone.items()],
        "done": counts.done,
        "without_predictions": counts.unpredicted,
        "without_weights": len(counts.unweighted),
        "without_weights_seconds": sum(counts.unweighted),
        "nets_to_train_again": len(seen.untrained),
        "nets_to_train_again_seconds": sum(seen.untrained),
        "left_behind": [{"trials": left.trials, "why": left.why} for left in seen.left],
        "failed": counts.failed,
        "to_run": counts.to_run,
        "skipped": counts.skipped_trials,
        "skipped_cells": [{"reason": reason, "cells": cells} for reason, cells in counts.skipped.items()],
        "without_room": [{"reason": reason, "trials": trials} for reason, trials in counts.without_room.items()],
        "claims": [
            {
                "id": arms.claim,
                "differs": list(arms.differences),
                "confounded_by": list(arms.forbidden),
                "not_known_yet": list(arms.unknown),
            }
            for arms in seen.arms
        ],
        "assumed": seen.assumed,
        "missing": list(seen.missing),
        "not_looked_at": list(seen.unread),
        "warnings": [str(warning) for warning in seen.warnings],
    }


def _print(seen: "Preview") -> None:
    import sys

    from rich.table import Table
    from rich.text import Text

    counts = seen.counts
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right", style="bold")
    table.add_column(overflow="fold")
    table.add_row(f"{counts.cells:,}", "cells")
    table.add_row(f"{counts.trials:,}", "trials" if seen.looks is None else "trials at least")
    if seen.looks is not None and seen.most_trials is not None:
        sizes = ", ".join(map(str, seen.looks.sizes))
        until = f"at most: claims are looked at after {sizes} seeds; cells whose claims are all decided get no more"
        table.add_row(f"{seen.most_trials:,}", until)
    if counts.tuning_trials:
        table.add_row(f"{counts.tuning_trials:,}", f"of them for tuning: {seen.tuning}")
    if counts.measurements:
        table.add_row(f"{counts.measurements:,}", "of them measurements of trained nets (measure), which train nothing")
    if counts.updates:
        table.add_row(
            f"{counts.updates:,}", "of them nets along a stream (update), each trained on what has come of it"
        )
    if counts.variants:
        table.add_row(f"{counts.variants:,}", "of them made of trained nets (deployment), which others of them train")
    if counts.confirmation_trials:
        table.add_row(f"{counts.confirmation_trials:,}", "of them on fresh seeds, to confirm what came first")
    for places, trials in counts.fused.items():
        table.add_row(f"{trials:,}", f"of them fused, up to {places} in one slot (protocol.fuse)")
    for reason, trials in counts.alone.items():
        table.add_row(f"{trials:,}", Text(f"of them not fused: {reason}"))
    table.add_row(f"{counts.done:,}", "already done")
    if counts.unpredicted:
        table.add_row(f"{counts.unpredicted:,}", "of them without predictions; they do not run again for those")
    if counts.unweighted:
        again = duration(sum(counts.unweighted))
        table.add_row(
            f"{len(counts.unweighted):,}",
            f"of them without weights; they do not run again for those, which would take {again} in another --results",
        )
    if seen.untrained:
        again = duration(sum(seen.untrained))
        table.add_row(
            f"{len(seen.untrained):,}",
            f"of them without weights, of which something is to be made: --retrain-parents trains them again ({again} of one"
            " slot)",
        )
    for left in seen.left[:_REASONS]:
        table.add_row(f"{left.trials:,}", Text(left.text.partition(" ")[2]))
    if more := seen.left[_REASONS:]:
        table.add_row(f"{sum(left.trials for left in more):,}", "finished trials are left behind for other reasons")
    if counts.failed:
        table.add_row(f"{counts.failed:,}", "failed before; they run again with --retry")
    table.add_row(f"{counts.to_run:,}", "to run")
    if counts.skipped_trials:
        table.add_row(f"{counts.skipped_trials:,}", f"skipped, in {sum(counts.skipped.values()):,} cells:")
    for reason, cells in counts.skipped.items():
        table.add_row("", Text(f"{cells:,} × {reason}"))  # a reason is plain text, whatever brackets are in it
    for reason, trials in counts.without_room.items():
        table.add_row(f"{trials:,}", Text(f"would be skipped: {reason}"))
    if counts.nothing_can_run:
        table.add_row("", "nothing can run")
    terminal = console(sys.stdout, _WIDE)
    there = seen.results.exists()
    terminal.print(Text(f"{seen.name}, {f'compared with {seen.results}' if there else f'new in {seen.results}'}"))
    terminal.print(table)
    for arms in seen.arms:
        if arms.differences:
            terminal.print(Text(f"{arms.claim}: what else differs: {'; '.join(arms.differences)}"))
        if arms.forbidden:
            terminal.print(Text(f"{arms.claim} would be confounded (by {' and '.join(arms.forbidden)})"))
