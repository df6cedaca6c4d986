"""`orch figure RESULTS KIND`: a figure for a paper, and its caption."""

from pathlib import Path
from typing import Any

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS
from orchestrator.cli.terminal.path import FILE
from orchestrator.figures.request import FORMS, KINDS, WIDTHS, Form


@click.command(epilog="Example: orch figure results/demo leaderboard --width column -o leaderboard.pdf")
@click.argument("results", type=RESULTS)
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--format", "form", type=click.Choice(FORMS), help="[default: what the output's name ends with, or pdf]")
@click.option("-o", "--output", type=FILE, help="[default: RESULTS/figures/KIND.pdf, .svg or .png]")
@click.option(
    "--width",
    type=click.Choice(list(WIDTHS)),
    help="3.25, 5.5 or 6.75 inches: one of two columns, a single column, or both.  [default: text]",
)
@click.option("--dataset", help="One data set in place of all.")
@click.option(
    "--cells", type=click.IntRange(min=1), help="leaderboard (20), curves (6): show this many of the best cells."
)
@click.option(
    "--measure",
    metavar="MEASURE",
    help="Rank cells by this on validation and show it on the test split, such as f1_macro or 'recall[defect]'; for"
    " curves: what to draw, such as 'training loss'.  [default: what the grid selects by]",
)
@click.option("--rows", metavar="AXES", help="heatmap: axes of the rows, separated by commas.")
@click.option("--columns", metavar="AXES", help="heatmap: axes of the columns.")
@click.option("--cost", metavar="COLUMN", help="pareto: what to set against the score.  [default: total_seconds]")
@click.option("--place", type=click.IntRange(min=1), help="roc, pr, confusion: the cell in this place.  [default: 1]")
@click.option("--class", "class_name", metavar="NAME", help="roc, pr: this class against the rest.")
def command(results: Path, kind: str, form: Form | None, output: Path | None, **options: Any) -> int:
    """Draw a figure of the directory RESULTS for a paper: what the page shows, in one style, with fonts embedded.

    Prints the file's path, and a caption for LaTeX: what is shown, how many seeds, what is averaged, and what is
    missing. The same results give the same file, byte for byte. Exits with 2 if there is nothing to draw, and says what
    is missing; with 4 if a table is damaged (after drawing what can be drawn).
    """
    from orchestrator.errors import UserError
    from orchestrator.figures.draw import draw
    from orchestrator.store.files import own_folder
    from orchestrator.store.reading import results_at

    named = None if output is None else next((one for one in FORMS if output.suffix == f".{one}"), None)
    if output is not None and (form or named) is None:
        raise UserError(f"the name {output} does not say which format: end it in .pdf, .svg or .png, or give --format")
    chosen = form or named or "pdf"
    paths = results_at(results)
    sheet, damage = draw(paths, kind, options)
    target = output or own_folder(paths.figures) / f"{kind}.{chosen}"
    sheet.write(target, chosen)
    say(target)
    say(sheet.latex_caption)
    for line in damage:
        say(line, err=True)
    return 4 if damage else 0
