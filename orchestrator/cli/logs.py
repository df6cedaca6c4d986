"""`orch logs RESULTS TRIAL`: everything that is known of one trial."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.path import PATH
from trainables import AXES

if TYPE_CHECKING:
    from orchestrator.results.trial_log import AttemptLog, EpochLog, TrialLog


@click.command(epilog="Example: orch logs results/demo 3fa9, or orch logs --cluster jobs.yaml demo")
@click.argument("results", type=RESULTS, required=False)
@click.argument("trial", type=TRIAL, required=False)
@click.option("--cluster", type=PATH, help="Cluster file (kind jobs): ask its head.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(results: Path | None, trial: str | None, cluster: Path | None, as_json: bool) -> int:
    """Show what happened to one trial: its attempts, its epochs, what it printed and its traceback.

    TRIAL is a trial's id, or its first digits if they fit only one trial. With --cluster, RESULTS is the name of a
    sweep there; without TRIAL, the sweep's own output is shown.
    """
    if cluster is not None:
        return _from_head(cluster, None if results is None else str(results), trial, as_json)
    if results is None or trial is None:
        raise click.UsageError("name a results directory and a trial, such as results/demo 3fa9")
    from orchestrator.results.trial_log import read_trial_log
    from orchestrator.store.reading import open_journal, results_at

    with closing(open_journal(results_at(results))) as journal:
        log = read_trial_log(journal, trial)
    say(_as_json(log) if as_json else "\n".join(_as_text(log)))
    return 0


def _from_head(cluster: Path, name: str | None, trial: str | None, as_json: bool) -> int:
    from orchestrator.cli.head import remote_results, show
    from orchestrator.remote.request import RESULTS

    if trial is not None:
        return show(remote_results(cluster), ["logs", RESULTS, trial, *(["--json"] if as_json else [])], name)
    from orchestrator.remote.jobs import log_of

    say(log_of(remote_results(cluster), name))
    return 0


def _as_json(log: "TrialLog") -> str:
    import json
    import math
    from dataclasses import asdict
    from datetime import datetime

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value.isoformat() if isinstance(value, datetime) else value

    whole = {**asdict(log), "epochs": [_epoch(epoch) for epoch in log.epochs]}
    return json.dumps(plain(whole), indent=2, allow_nan=False)


def _as_text(log: "TrialLog") -> list[str]:
    from orchestrator.plan.tuned import shown_text

    lines = [f"trial {log.trial_id} of cell {log.cell_id}{'' if log.planned else ' (of an earlier grid)'}"]
    lines += [f"  {name:12} {getattr(log, name)}" for name in AXES]
    if log.purpose == "confirmation":
        lines.append(f"  {'purpose':12} confirmation: a fresh seed of a cell that other seeds chose")
    if log.purpose == "update":
        lines.append(f"  {'purpose':12} update: a net along a stream, which has learnt from the blocks it has seen")
    if log.measurement is not None:
        lines.append(f"  {'measurement':12} {log.measurement}, of trial {log.parent_id}")
    if log.purpose == "tuning":
        lines.append(f"  {'purpose':12} tuning: it tries values for its cell and never reads the test split")
    else:
        lines.append(f"  {'seed':12} {log.seed}")
    if log.tuned is not None:
        lines.append(f"  {'tuned':12} {shown_text(log.tuned)}")
    lines.append(f"  {'status':12} {log.status}{f': {log.reason}' if log.reason else ''}")
    if log.purpose == "tuning" and log.status == "completed" and len(log.epochs) < log.whole:
        lines.append(f"  {'stopped':12} early, after {len(log.epochs)} of {log.whole} epochs: others were better")
    if not log.attempts:
        lines += ["", "it was never started"]
    for attempt in log.attempts:
        lines += ["", *_attempt(attempt)]
    if log.epochs:
        lines += ["", *_epochs(log.epochs)]
    return lines


def _attempt(attempt: "AttemptLog") -> list[str]:
    times = [
        f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (attempt.started_at, attempt.finished_at) if moment is not None
    ]
    lines = [
        f"attempt {attempt.attempt}: {attempt.status}{f': {attempt.reason}' if attempt.reason else ''}",
        f"  {attempt.slot} on {attempt.host}, process {attempt.pid}, {' to '.join(times)} UTC",
    ]
    for title, text in (("it printed", attempt.log), ("traceback", attempt.error)):
        if text:
            lines += [f"  {title}:", *(f"    {line}" for line in text.rstrip().splitlines())]
    return lines


def _epochs(epochs: "tuple[EpochLog, ...]") -> list[str]:
    rows = [_epoch(epoch) for epoch in epochs]
    measured = [name for name, _ in epochs[0].scores if any(row[name] is not None for row in rows)]
    names = ("lr", "train_loss", "train_accuracy", "val_loss", *(measured or [epochs[0].scores[0][0]])[:1], "seconds")
    head = "epoch" + "".join(f"{name:>16}" for name in names)
    return [head, *(f"{row['epoch']:5}" + "".join(f"{_number(row[name]):>16}" for name in names) for row in rows)]


def _epoch(epoch: "EpochLog") -> dict[str, Any]:
    """One object, with its scores by their columns."""
    from dataclasses import asdict

    return {**{name: value for name, value in asdict(epoch).items() if name != "scores"}, **dict(epoch.scores)}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
