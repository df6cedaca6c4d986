"""`orch measure RESULTS MEASUREMENT...`: find something out about trained nets, without training."""

from pathlib import Path

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import PATH


@click.command(
    epilog="Example: orch measure results/demo corrupt; or with parameters, orch measure results/demo"
    " '{name: corrupt, severities: [5]}'. The same command again measures what is missing."
)
@click.argument("results", type=RESULTS)
@click.argument("measurements", nargs=-1, required=True, metavar="MEASUREMENT...")
@click.option("--grid", type=PATH, help="Grid file of the results.  [default: as the latest sweep has recorded it]")
@click.option("--cluster", type=PATH, help="Cluster file.  [default: this machine]")
@click.option(
    "--engine",
    type=click.Choice(["ray", "inline"]),
    default="ray",
    show_default=True,
    help="inline: one after another in this process, for a debugger.",
)
@click.option("--data", type=PATH, help="Data folder.  [default: ORCH_DATA]")
@click.option(
    "--retrain-parents",
    is_flag=True,
    help="Train nets again whose weights were not kept; one that does not come out as its row says, epoch by epoch, is an"
    " error.",
)
@click.option("--retry", is_flag=True, help="Measure again what failed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
def command(
    results: Path,
    measurements: tuple[str, ...],
    grid: Path | None,
    cluster: Path | None,
    engine: str,
    data: Path | None,
    retrain_parents: bool,
    retry: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure the nets of all completed trials of the directory RESULTS; `orch list measurement` has what there is.

    MEASUREMENT is a name, or YAML with parameters, as in the section `measure` of a grid, where the same runs with the
    sweep. Nothing is trained, and no trial's record changes: what is found out stands in tables of its own. It needs the
    weights of the trials: `protocol.keep_weights: best` keeps them, or a section `measure`.
    """
    from orchestrator.cli.terminal.display import display
    from orchestrator.store.paths import ResultsPaths
    from orchestrator.sweep.measuring import asked_for, recorded_grid
    from orchestrator.sweep.run import SweepRequest, run_sweep

    request = SweepRequest(
        grid=grid or Path(f"the grid of {results.name}"),  # data beside it are looked for in the working directory
        text=None if grid is not None else recorded_grid(ResultsPaths(results)),
        cluster=cluster,
        engine="inline" if engine == "inline" else "ray",
        results=results,
        data=data,
        measure=tuple(asked_for(text) for text in measurements),
        retrain_parents=retrain_parents,
        retry=retry,
        wandb_mode="disabled",
    )
    with display(quiet=quiet, verbose=engine == "inline") as progress:
        summary = run_sweep(request, progress)
    if as_json:
        import json

        say(json.dumps(summary.as_json()))
    elif not quiet:
        say(summary.as_text(), err=True)
    return summary.exit_code
