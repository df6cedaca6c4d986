"""`orch status RESULTS`: how far a sweep is, also while it runs."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH
from orchestrator.text import duration
from trainables.errors import first_line

if TYPE_CHECKING:
    from orchestrator.results.status import Progress


@click.command(epilog="Example: orch status results/demo, or orch status --cluster jobs.yaml demo")
@click.argument("results", type=RESULTS, required=False)
@click.option("--cluster", type=PATH, help="Cluster file (kind jobs): ask its head.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with `counts` by status.")
def command(results: Path | None, cluster: Path | None, as_json: bool) -> int:
    """Show how far the sweep in the directory RESULTS is; with --cluster, the sweep of that name on the cluster.

    Prints how many trials have each status, what runs now, the time left and the latest failures. It only reads, so you
    can use it from another terminal while the sweep runs.
    """
    if cluster is not None:
        from orchestrator.cli.head import remote_results, show
        from orchestrator.remote.request import RESULTS

        asked = ["status", RESULTS, *(["--json"] if as_json else [])]
        return show(remote_results(cluster), asked, None if results is None else str(results))
    if results is None:
        raise click.UsageError("name a results directory, such as results/demo, or a --cluster")
    from orchestrator.results.status import read_progress
    from orchestrator.store.reading import open_journal, results_at

    paths = results_at(results)
    with closing(open_journal(paths)) as journal:
        progress = read_progress(paths, journal)
    say(_as_json(progress) if as_json else _as_text(progress, results))
    return 0


def _as_json(progress: "Progress") -> str:
    import json
    from dataclasses import asdict
    from datetime import datetime

    return json.dumps({**asdict(progress), "planned": progress.planned}, default=datetime.isoformat, indent=2)


def _as_text(progress: "Progress", results: Path) -> str:
    lines = [f"{progress.sweep or results.name}: {progress.planned - progress.open} of {progress.planned} trials done"]
    lines += [f"  {status.replace('_', ' '):14} {count:>8}" for status, count in progress.counts.items()]
    if progress.tuning:
        lines.append(f"  {'(for tuning)':14} {progress.tuning:>8}")
    if progress.measurements:
        lines.append(f"  {'(measurements)':14} {progress.measurements:>8}")
    if progress.updates:
        lines.append(f"  {'(updates)':14} {progress.updates:>8}")
    if progress.unplanned:
        lines.append(f"  {'(of earlier grids, kept)':14} {progress.unplanned}")
    if progress.look is not None:
        lines.append(f"  {progress.look}")
    if progress.running:
        lines += ["", "running" if progress.holder else "was running when the sweep ended"]
        lines += [
            f"  {trial.trial_id}  {trial.label}: {trial.epoch} epochs, since {trial.since:%Y-%m-%d %H:%M:%S} UTC"
            for trial in progress.running
        ]
    if progress.failures:
        lines += ["", f"latest failures (`orch logs {results} TRIAL` shows more)"]
        lines += [
            f"  {trial.trial_id}  {trial.label}: {trial.status}: {first_line(trial.reason)}"
            for trial in progress.failures
        ]
    left = "" if progress.eta_seconds is None else f"; about {duration(progress.eta_seconds)} left"
    lines += ["", f"{progress.sweeper}{left}"]
    if progress.of_a_copy is not None:
        lines.append(progress.of_a_copy)
    return "\n".join(lines)
