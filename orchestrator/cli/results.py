"""`orch results RESULTS`: the trials as a table, sorted and filtered."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from orchestrator.cli.path import PATH
from orchestrator.cli.terminal import console, say

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

    from orchestrator.results.query import TrialQuery

_EXAMPLE = "Example: orch results results/demo --where model=cnn --where 'test_accuracy>0.9' --limit 10"
_WIDE: Final = 10_000
"""Columns of a terminal that is none: what is piped on is not cut."""


@click.command(epilog=_EXAMPLE)
@click.argument("results", type=PATH)
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Sort by this column.  [default: what the grid selects by, on validation, the best first]",
)
@click.option("--descending", "direction", flag_value="descending", help="Greatest first.")
@click.option("--ascending", "direction", flag_value="ascending", help="Smallest first.")
@click.option(
    "--where", multiple=True, metavar="CONDITION", help="COLUMN=VALUE, or with != < <= > >=. Repeatable: all hold."
)
@click.option("--columns", metavar="A,B,C", help="Show these columns.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show the first N rows.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, all columns unless --columns is given.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, all columns unless --columns is given.")
def command(
    results: Path,
    sort: str | None,
    direction: Literal["ascending", "descending"] | None,
    where: tuple[str, ...],
    columns: str | None,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """The trials of the directory RESULTS as a table. Those that tune are shown with --where purpose=tuning, and those
    that only earlier grids named with --where planned=no.

    The columns are those of trials.parquet; docs/data-dictionary.md says what each one means.
    """
    from orchestrator.errors import UserError
    from orchestrator.results.query import TrialQuery, choose
    from orchestrator.store.reading import every_trial, results_at

    if as_json and as_csv:
        raise UserError("--json and --csv exclude each other")
    names = tuple(name.strip() for name in columns.split(",") if name.strip()) if columns is not None else ()
    trials = every_trial(results_at(results))
    query = TrialQuery(sort, direction, where, names, limit)
    chosen = choose(trials, query, all_columns=as_json or as_csv)
    if as_json:
        _print_json(chosen)
    elif as_csv:
        _print_csv(chosen)
    else:
        _print_table(chosen)
        message = "; ".join([f"{chosen.num_rows} of {trials.num_rows} trials", *_notes(trials, query)])
        say(message, err=True)


def _notes(trials: "pa.Table", query: "TrialQuery") -> Iterator[str]:
    from orchestrator.results.query import of_latest, order_of, without_tuning

    latest = of_latest(trials)
    if (earlier := trials.num_rows - latest.num_rows) and not query.names("planned"):
        yield f"{earlier} of them are of earlier grids and not shown without --where planned=no"
    evaluating = without_tuning(latest)
    if (tuning := latest.num_rows - evaluating.num_rows) and not query.names("purpose"):
        yield f"{tuning} of them tune and are not shown without --where purpose=tuning"
    yield from order_of(evaluating).notes(sorted_by=query.sort, columns=bool(query.columns))


def _print_json(chosen: "pa.Table") -> None:
    import json

    from orchestrator.results.query import plain_rows

    say(json.dumps(plain_rows(chosen), indent=2, allow_nan=False))


def _print_csv(chosen: "pa.Table") -> None:
    import csv
    import io

    from orchestrator.results.query import plain_rows

    written = io.StringIO()
    writer = csv.DictWriter(written, chosen.column_names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain_rows(chosen))
    say(written.getvalue().removesuffix("\n"))


def _print_table(chosen: "pa.Table") -> None:
    import sys

    # rich reads NO_COLOR, COLUMNS and the terminal's width itself
    console(sys.stdout, _WIDE).print(_table(chosen))


def _table(chosen: "pa.Table") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from orchestrator.results.query import plain_rows

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for field in chosen.schema:
        numeric = str(field.type) in {"int64", "double"}
        table.add_column(
            Text(field.name),
            justify="right" if numeric else "left",
            no_wrap=numeric or field.name in {"trial_id", "status"},
            overflow="fold",
        )
    for row in plain_rows(chosen):
        table.add_row(*(Text(_shown(name, value)) for name, value in row.items()))
    return table


def _shown(name: str, value: Any) -> str:
    from orchestrator.plan.tuned import shown_text

    if value is None:
        return ""
    if name == "tuned":
        return shown_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if name.endswith("seconds") else f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"
    return str(value)
