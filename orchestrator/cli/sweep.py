"""`orch sweep GRID`: run what is missing of a grid."""

from pathlib import Path

import click


@click.command(
    epilog="Example: orch sweep grid.yaml --cluster gpu.yaml --data ~/data; the same command again runs what is missing."
)
@click.argument("grid", type=click.Path(path_type=Path))
@click.option("--cluster", type=click.Path(path_type=Path), help="Cluster file; this machine when not given.")
@click.option(
    "--engine",
    type=click.Choice(["ray", "inline"]),
    default="ray",
    show_default=True,
    help="inline: one trial after another in this process, for a debugger.",
)
@click.option("--results", type=click.Path(path_type=Path), help="Results directory; results/NAME when not given.")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder; ORCH_DATA when not given.")
@click.option(
    "--max-trials",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Refuse a grid of more trials than this.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="So many seeds in place of the grid's own number; of a list of seeds, the first.",
)
@click.option("--retry", is_flag=True, help="Run failed, timed-out and out-of-memory trials again.")
@click.option(
    "--wandb",
    "wandb_mode",
    type=click.Choice(["auto", "online", "offline", "disabled"]),
    help="Above the grid's own wandb.mode.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="A line for every trial, also on a terminal.")
def command(
    grid: Path,
    cluster: Path | None,
    engine: str,
    results: Path | None,
    data: Path | None,
    max_trials: int,
    seeds: int | None,
    retry: bool,
    wandb_mode: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run every trial of the grid file GRID that has not been run yet.

    Finished trials are rows of the Parquet tables in the results directory. Ctrl-C keeps everything that is finished;
    the same command goes on. Ends with 0 when every planned trial is completed, diverged or skipped, 1 when some failed,
    2 for a mistake in the input, 3 when the cluster was lost, 4 for damaged results, 5 when another sweep runs here.
    """
    from orchestrator.cli.display import display
    from orchestrator.run import SweepRequest, run_sweep

    request = SweepRequest(
        grid=grid,
        cluster=cluster,
        engine="inline" if engine == "inline" else "ray",
        results=results,
        data=data,
        max_trials=max_trials,
        seeds=seeds,
        retry=retry,
        wandb_mode=wandb_mode,
    )
    with display(quiet=quiet, verbose=verbose) as progress:
        summary = run_sweep(request, progress)
    if as_json:
        import json

        click.echo(json.dumps(summary.as_json()))
    elif not quiet:
        click.echo(summary.as_text(), err=True)
    return 0 if summary.succeeded else 1
