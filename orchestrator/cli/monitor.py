"""`orch monitor RESULTS TRIAL IMAGES`: whether other pictures come than a net was trained for, and what they cost."""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.path import PATH
from orchestrator.cli.terminal.strip import block, in_colour, strip
from orchestrator.cli.terminal.transient import TransientLine
from orchestrator.text import one_line

if TYPE_CHECKING:
    from orchestrator.results.monitor.run import Monitor
    from trainables.monitoring.row import MonitorRow

DETECTORS: Final = ("bbsd", "mmd", "confidence", "labels")
"""As the drift detectors of `trainables` are called; they are not imported for help."""
_MARK: Final = 9
"""Columns of what stands before a window that is an alarm."""
_WIDEST: Final = 120
"""Windows of the strip that is drawn at the end."""


@click.command(epilog="Example: orch monitor results/demo 3fa9 camera/ --window 100")
@click.argument("results", type=RESULTS)
@click.argument("trial", type=TRIAL)
@click.argument("images", type=PATH)
@click.option(
    "--window",
    type=click.IntRange(2, 100_000),
    default=200,
    show_default=True,
    help="Pictures that are compared at once: half of the validation split at most.",
)
@click.option(
    "--detector",
    "detectors",
    type=click.Choice(DETECTORS),
    multiple=True,
    default=["bbsd"],
    show_default=True,
    help="bbsd: the outputs; mmd: features; confidence: the largest probability; labels: classes, where a Parquet file has"
    " them. May be given several times, and then shares alpha.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0.0005, 0.5),
    default=0.05,
    show_default=True,
    help="Share of windows without shift that may be alarms.",
)
@click.option("--image", metavar="COLUMN", help="Of a Parquet file: encoded images, or paths.  [default: image]")
@click.option("--label", metavar="COLUMN", help="Of a Parquet file: classes.  [default: label, where there is one]")
@click.option("--data", type=PATH, help="Data folder, for the validation split.  [default: ORCH_DATA]")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object a line: for each window and detector, and a last one."
)
def command(
    results: Path,
    trial: str,
    images: Path,
    window: int,
    detectors: tuple[str, ...],
    alpha: float,
    image: str | None,
    label: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Watch the net of one trial on pictures as they come: are they like those that it was trained for?

    TRIAL is a trial's id, or its first digits; its net has to be there (`keep_weights: best`). IMAGES is a folder (by name),
    a Parquet file, or - for paths on standard input, one a line. Windows of pictures are compared with the trial's
    validation split, which has to be on this machine; each is a line here and a row in RESULTS/monitor/TRIAL.parquet, to
    which every run adds. An alarm comes with what it costs, estimated where there are no labels.

    Exits with 0 if there is no alarm, with 1 if there is one, harmless or not, and with 2 if nothing could be judged.
    Pictures that cannot be read are named and left out, and change nothing in that.
    """
    from orchestrator.plan.prepare import data_location
    from orchestrator.results.monitor.run import Hearing, Monitor, MonitorRequest
    from orchestrator.results.monitor.sources import Columns
    from orchestrator.store.reading import results_at

    asked = tuple(dict.fromkeys(detectors))
    location = data_location(data, None)
    request = MonitorRequest(trial, images, window, asked, alpha, Columns(image, label), location)
    line = TransientLine(wanted=not as_json)

    def note(text: str) -> None:
        line.clear()
        say(text, err=True)

    monitor = Monitor.of(results_at(results), request, note)
    if not as_json:
        reference = monitor.reference
        say(
            f"{monitor.found.kept.label}: windows of {window:,} pictures against {reference.n:,} of validation, accuracy"
            f" {reference.estimate.accuracy:.4f}"
        )
    hearing = Hearing(
        unread=lambda name, why: note(f"{name}: {why}"),
        progress=lambda number, waiting, came: line.draw(
            f"window {number:,}: {waiting:,} of {window:,} ({came:,} came)"
        ),
    )
    with closing(monitor.windows(hearing)) as windows:
        for rows in windows:
            line.clear()
            _print_json(monitor, rows) if as_json else _print_window(rows)
    line.clear()
    if as_json:
        say(
            json.dumps(
                {"trial_id": monitor.found.trial_id, **monitor.tally.as_json(), "exit_code": monitor.tally.exit_code}
            )
        )
    else:
        _print_verdict(monitor, window, alpha)
    return monitor.tally.exit_code


def _print_window(rows: "Sequence[MonitorRow]") -> None:
    from orchestrator.results.monitor.tally import distance_of

    row = rows[0]
    if row.window == 1:
        heads = "  ".join(f"{'p ' + each.detector:<12}" for each in rows)
        say(f"{'':{_MARK}}{'window':>7}{'pictures':>18}    {heads}  accuracy")
    each = "  ".join(f"{'-' if one.p is None else f'{one.p:.4f}':<12}" for one in rows)
    known, about = (row.accuracy, " ") if row.labelled == row.n else (row.estimated_accuracy, "~")
    accuracy = "-" if known is None else f"{about}{known:.3f}"
    places = f"{row.first:,}-{row.last:,}"
    text = f"{row.window:>7,}{places:>18}  {block(distance_of(rows))} {each}  {accuracy}"
    alarm = next((one for one in rows if one.alarm), None)
    if alarm is None:
        say(f"{'':{_MARK}}{text}")
    elif alarm.harmless:
        say(f"{text}  {_cost(alarm)}", before=in_colour(f"{'harmless':<{_MARK}}", "yellow"))
    else:
        say(f"{text}  {_cost(alarm)}", before=in_colour(f"{'ALARM':<{_MARK}}", "red"))


def _cost(alarm: "MonitorRow") -> str:
    """What an alarm costs, and which answers have changed most."""
    from orchestrator.results.monitor.tally import loss_of
    from orchestrator.results.monitor.verdict import percent

    if alarm.reason is not None:
        return alarm.reason
    if alarm.distinct == 1:
        return "one picture again and again"
    loss = round(100 * (loss_of(alarm) or 0.0))
    cost = f"{loss} points lost" if loss > 0 else "nothing lost"
    if alarm.changed_class is None or alarm.changed_share is None or alarm.reference_share is None:
        return cost
    shares = f"{percent(alarm.changed_share)}, usually {percent(alarm.reference_share)}"
    return f"{cost}; {one_line(alarm.changed_class)}: {shares}"


def _print_verdict(monitor: "Monitor", window: int, alpha: float) -> None:
    from orchestrator.results.monitor.verdict import verdict

    width = shutil.get_terminal_size().columns
    for drawn in strip(monitor.tally.distances, min(width, _WIDEST)):
        if drawn:
            say(drawn)
    for said in verdict(monitor.tally, window, alpha):
        say(said)
    if monitor.tally.windows:
        say(f"kept in {monitor.kept.path}")


def _print_json(monitor: "Monitor", rows: "Sequence[MonitorRow]") -> None:
    from trainables.columns import values_of

    for row in rows:
        values = {"trial_id": monitor.found.trial_id, **values_of(row)}
        say(json.dumps(values, default=datetime.isoformat))
