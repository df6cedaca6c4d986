"""`orch report RESULTS`: one HTML file with everything in it."""

from pathlib import Path

import click


@click.command(epilog="Example: orch report results/demo --output demo.html")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="[default: RESULTS/report.html]")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(results: Path, output: Path | None, show: bool) -> None:
    """Write a page with figures and tables of the directory RESULTS; it needs no network and no other file.

    Prints the path of the page.
    """
    from orchestrator.reports.html import write_report
    from orchestrator.reports.source import results_at

    paths = results_at(results)
    target = output or paths.report
    write_report(paths, target)
    click.echo(target)
    if show:
        click.launch(str(target.resolve()))
