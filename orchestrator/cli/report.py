"""`orch report RESULTS`: one HTML file with everything in it, or the same as text."""

from pathlib import Path
from typing import Literal

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import FILE


@click.command(epilog="Example: orch report results/demo --output demo.html; orch report results/demo --format latex")
@click.argument("results", type=RESULTS)
@click.option("--output", type=FILE, help="[default: RESULTS/report.html, .md or .tex]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "latex"]),
    default="html",
    show_default=True,
    help="A page with figures and tables; Markdown with the tables; leaderboards and claims for LaTeX.",
)
@click.option(
    "--measure",
    metavar="MEASURE",
    help="Rank cells by this on validation and show it of the test split, as f1_macro or 'recall[defect]'.  [default: what"
    " the grid selects by]",
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def command(
    results: Path, output: Path | None, form: Literal["html", "md", "latex"], measure: str | None, show: bool
) -> int:
    """Write a page with figures and tables of the directory RESULTS; it needs no network and no other file.

    Prints the path of the page. Exits with 4 if a table is damaged (after writing what can be shown).
    """
    from orchestrator.report.contents import read_page
    from orchestrator.report.html import render
    from orchestrator.report.latex import latex
    from orchestrator.report.markdown import markdown
    from orchestrator.report.template import write_page
    from orchestrator.store.reading import results_at

    paths = results_at(results)
    page = read_page(paths, measure)
    write, ending = {"html": (render, ".html"), "md": (markdown, ".md"), "latex": (latex, ".tex")}[form]
    target = output or paths.report.with_suffix(ending)
    write_page(write(page), target)
    say(target)
    for damage in page.damage:
        say(damage, err=True)
    if show:
        click.launch(str(target.resolve()))
    return 4 if page.damage else 0
