"""`orch results RESULTS`: the trials as a table, sorted and filtered."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.listing import print_listing

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestrator.results.query import TrialQuery
    from orchestrator.store.paths import ResultsPaths

_EXAMPLE = "Example: orch results results/demo --where model=cnn --where 'test_accuracy>0.9' --limit 10"


@click.command(epilog=_EXAMPLE)
@click.argument("results", type=RESULTS)
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Sort by this column.  [default: what the grid selects by, on validation, the best first]",
)
@click.option("--descending", "direction", flag_value="descending", help="Largest first.")
@click.option("--ascending", "direction", flag_value="ascending", help="Smallest first.")
@click.option(
    "--where", multiple=True, metavar="CONDITION", help="COLUMN=VALUE, or with != < <= > >=. Repeatable: all must hold."
)
@click.option("--columns", metavar="A,B,C", help="Show these columns.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show the first N rows.")
@click.option(
    "--wrong",
    type=TRIAL,
    metavar="TRIAL",
    help="Show the test examples that this trial is most confidently wrong about (the beginning of its id is enough).",
)
@click.option(
    "--variance",
    is_flag=True,
    help="Show how much each source of variance contributes: needs trials whose seeds vary only one (seeds: {vary: ...}).",
)
@click.option(
    "--cells", is_flag=True, help="Show the leaderboard: one row for each cell, the best of each data set first."
)
@click.option(
    "--classes", is_flag=True, help="Show precision, recall and F1 of each class, of the best cell of each data set."
)
@click.option(
    "--threshold",
    metavar="WANTED",
    help="Show the threshold of the positive class that reaches a recall or precision on validation, such as"
    " 'recall[defect]>=0.9', and its figures on the test split.",
)
@click.option(
    "--measure",
    metavar="MEASURE",
    help="With --cells or --classes: rank by this on validation and show it on the test split, such as f1_macro or"
    " 'recall[defect]'.  [default: what the grid selects by]",
)
@click.option(
    "--confirmed",
    is_flag=True,
    help="Show the first cell on its fresh seeds, beside its rivals (`orch sweep GRID --confirm`).",
)
@click.option(
    "--updates",
    is_flag=True,
    help="Show what retraining along a stream is worth: one row for each seed and policy (section update of the grid).",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, all columns unless --columns is given.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, all columns unless --columns is given.")
def command(
    results: Path,
    sort: str | None,
    direction: Literal["ascending", "descending"] | None,
    where: tuple[str, ...],
    columns: str | None,
    limit: int | None,
    wrong: str | None,
    variance: bool,
    cells: bool,
    classes: bool,
    threshold: str | None,
    measure: str | None,
    confirmed: bool,
    updates: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show the trials of the directory RESULTS as a table. Tuning trials are shown with --where purpose=tuning, and those
    that only earlier grids named with --where planned=no.

    With --variance, one row for each cell and source of variance: the standard deviation that it causes.

    With --cells, the leaderboard: means over seeds, what their intervals are about, and how broken trials count.

    With --classes, one row for each class of the best cell. With --threshold, one row for each trial: thresholds are chosen
    on validation, for the class that the data set names as `positive`.

    With --wrong, single test examples instead: those whose true class a trial gave the lowest probability, or whose target
    it missed by most. They need keep_predictions.

    The columns are those of trials.parquet; docs/data-dictionary.md says what each one means.
    """
    from orchestrator.errors import UserError
    from orchestrator.results.query import TrialQuery
    from orchestrator.store.reading import results_at

    if as_json and as_csv:
        raise UserError("--json and --csv exclude each other")
    paths = results_at(results)
    if wrong is not None:
        if sort or direction or where or columns is not None:
            raise UserError("--wrong has its own order and columns; it takes only --limit, --json and --csv besides")
        _print_wrong(paths, wrong, limit, as_json=as_json, as_csv=as_csv)
        return
    if measure is not None and not (cells or classes):
        raise UserError("--measure is for --cells and --classes; for single trials use --sort and --columns")
    own: dict[str, tuple[bool, Callable[..., None]]] = {
        "--variance": (variance, _print_variance),
        "--cells": (cells, partial(_print_cells, measure=measure)),
        "--classes": (classes, partial(_print_classes, measure=measure)),
        "--threshold": (threshold is not None, partial(_print_threshold, wanted=threshold)),
        "--confirmed": (confirmed, _print_confirmed),
        "--updates": (updates, _print_updates),
    }
    if asked := {name: show for name, (is_asked, show) in own.items() if is_asked}:
        (name, show), *others = asked.items()
        if sort or direction or where or columns is not None or limit is not None or others:
            raise UserError(f"{name} shows a table of its own; it takes only --json and --csv besides")
        show(paths, as_json=as_json, as_csv=as_csv)
        return
    names = tuple(name.strip() for name in columns.split(",") if name.strip()) if columns is not None else ()
    _print_trials(paths, TrialQuery(sort, direction, where, names, limit), as_json=as_json, as_csv=as_csv)


def _print_trials(paths: "ResultsPaths", query: "TrialQuery", *, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.asked import refuse_unmeasured
    from orchestrator.results.query import choose
    from orchestrator.store.reading import every_trial

    refuse_unmeasured(query.of_classes, paths)
    trials = every_trial(paths, list(map(str, query.of_classes)))
    chosen = choose(trials, query, all_columns=as_json or as_csv)
    if as_json:
        _print_json(chosen)
    elif as_csv:
        _print_csv(chosen)
    else:
        print_listing(chosen, chosen=bool(query.columns))
        message = "; ".join([f"{chosen.num_rows} of {trials.num_rows} trials", *_notes(trials, query)])
        say(message, err=True)


def _print_wrong(paths: "ResultsPaths", trial: str, limit: int | None, *, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.wrong import SHOWN, trial_with_predictions, wrong_examples

    found = wrong_examples(paths, trial_with_predictions(paths, trial))
    shown = found.table(SHOWN if limit is None and not (as_json or as_csv) else limit)
    _print_table(shown, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        say(
            f"{shown.num_rows} of the {found.count} that {found.trial_id} gets wrong, of {found.examples} test examples",
            err=True,
        )


def _print_variance(paths: "ResultsPaths", *, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.variance import variance_table

    _print_table(variance_table(paths), as_json=as_json, as_csv=as_csv)


def _print_cells(paths: "ResultsPaths", *, measure: str | None, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.cell_table import USUAL, cell_table

    found = cell_table(paths, measure)
    if as_json:
        _print_json(found.with_baselines())
    elif as_csv:
        _print_csv(found.with_baselines())
    else:
        usual = [name for name in USUAL if found.cells[name].null_count < found.cells.num_rows]
        print_listing(found.with_baselines().select(usual))
        for note in found.notes:
            say(note, err=True)


def _print_classes(paths: "ResultsPaths", *, measure: str | None, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.per_class import class_table

    _print_table(class_table(paths, measure), as_json=as_json, as_csv=as_csv)


def _print_threshold(paths: "ResultsPaths", *, wanted: str | None, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.threshold import at_threshold

    found = at_threshold(paths, wanted or "")
    _print_table(found.rows, as_json=as_json, as_csv=as_csv)
    for note in found.notes:
        say(note, err=True)


def _print_table(table: "pa.Table", *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        _print_json(table)
    elif as_csv:
        _print_csv(table)
    else:
        print_listing(table)


def _print_confirmed(paths: "ResultsPaths", *, as_json: bool, as_csv: bool) -> None:
    from orchestrator.results.confirmed import confirmed, confirmed_table

    found = confirmed(paths)
    if as_json:
        _print_json(confirmed_table(found))
    elif as_csv:
        _print_csv(confirmed_table(found))
    elif not found:
        say(f"nothing is confirmed in {paths.root}; `orch sweep GRID --confirm` runs the first cells on fresh seeds")
    for one in () if as_json or as_csv else found:
        say("\n  ".join(one.lines))


def _print_updates(paths: "ResultsPaths", *, as_json: bool, as_csv: bool) -> None:
    import pyarrow as pa

    from orchestrator.results.updates import updates
    from orchestrator.store.frames import TablesRead

    tables = TablesRead(paths)
    found = updates(tables)
    for damage in tables.damage:
        say(damage, err=True)
    if found.empty and not (as_json or as_csv):
        say(
            f"no net was trained along a stream in {paths.root}; a grid with the section `update` trains some", err=True
        )
        return
    _print_table(pa.Table.from_pandas(found, preserve_index=False), as_json=as_json, as_csv=as_csv)


def _notes(trials: "pa.Table", query: "TrialQuery") -> Iterator[str]:
    from orchestrator.results.query import of_latest, of_purpose, only_evaluating, order_of
    from results_schema import CONFIRMATION, MEASUREMENT, UPDATE

    latest = of_latest(trials)
    if (earlier := trials.num_rows - latest.num_rows) and not query.names("planned"):
        yield f"{earlier} of them are from earlier grids (show them with --where planned=no)"
    for purpose in ("tuning", CONFIRMATION, MEASUREMENT, UPDATE):
        if (others := of_purpose(latest, purpose)) and not query.names("purpose"):
            yield f"{others} of them are for {purpose} (show them with --where purpose={purpose})"
    yield from order_of(only_evaluating(latest)).notes(sorted_by=query.sort, columns=bool(query.columns))


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
