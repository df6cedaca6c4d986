"""`orch debug RESULTS TRIAL`: run one trial here, for a debugger."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.cli.terminal.path import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.results.kept_trial import KeptTrial
    from trainables.component import Component
    from trainables.records import EpochRow, TrialResult

_LEFT = 130
"""The exit code of a debugger that was left, as that of Ctrl-C."""


@click.command(
    epilog="Example: orch debug results/demo 3fa9 --pdb, or python -m pdb -m orchestrator debug results/demo 3fa9"
)
@click.argument("results", type=RESULTS)
@click.argument("trial", type=TRIAL)
@click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:1.  [default: what it ran on, else cpu]")
@click.option("--data", type=PATH, help="Data folder.  [default: ORCH_DATA]")
@click.option("--pdb", "post_mortem", is_flag=True, help="Open pdb where the trial raises an error.")
def command(results: Path, trial: str, device: str | None, data: Path | None, post_mortem: bool) -> int:
    """Run one trial of the directory RESULTS from its beginning, in this process, whatever its status.

    TRIAL is a trial's id, or its first digits if they fit only one trial. It runs with its own parameters and seeds, as
    with --engine inline, and without a time limit; `breakpoint()` in your code opens a debugger. Nothing is recorded: the
    results stay as they are. If the trial raises an error, the full traceback is shown (exit code 1).
    """
    import signal
    from bdb import BdbQuit
    from contextlib import closing

    from orchestrator.plan.prepare import data_location
    from orchestrator.results.kept_trial import read_kept_trial
    from orchestrator.store.reading import open_journal, results_at

    paths = results_at(results)
    with closing(open_journal(paths)) as journal:
        kept = read_kept_trial(journal, trial, paths.weights)
    location = data_location(data, None)
    from orchestrator.sweep.debug import device_for, run_again  # with torch

    where = device_for(kept, device)
    say("\n".join(_described(kept, str(where))))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # pdb takes it at its prompt, and then it is nobody else's
    try:
        result = run_again(kept, location, where, lambda row: say(_epoch(kept, row)))
    except BdbQuit:
        say("left the debugger; nothing was recorded", err=True)
        return _LEFT
    except Exception as raised:
        if not post_mortem:
            raise
        return _look_into(raised)
    say("\n".join(_ended(kept, result)))
    return 0


def _look_into(raised: Exception) -> int:
    import pdb
    import traceback

    traceback.print_exception(raised)
    pdb.post_mortem(raised.__traceback__)
    return 1


def _described(trial: "KeptTrial", device: str) -> "Iterator[str]":
    spec = trial.spec
    reason = f": {trial.reason}" if trial.reason else ""
    yield f"trial {trial.trial_id} ({trial.status}{reason}), on {device}; nothing is recorded"
    parts = [("dataset", spec.dataset), ("model", spec.model), ("optimizer", spec.optimizer)]
    parts += [("regularizer", part) for part in spec.regularizers]
    parts += [("deployment", spec.deployment)] if spec.deployment is not None else []
    parts += [("measurement", trial.measurement)] if trial.measurement is not None else []
    for kind, part in parts:
        own = _own(part)
        yield f"  {kind:12} {part.name}{f'({own})' if own else ''}"
    others = _own(spec.protocol)
    sizes = f"epochs={spec.protocol.epochs}, batch_size={spec.protocol.batch_size}"
    yield f"  {'protocol':12} {sizes}{f', {others}' if others else ''}"
    yield f"  {'seed':12} {spec.seed}"
    if trial.tunes:
        yield "  a tuning trial: the test split is not read"
    if trial.untuned:
        yield "  its cell has not been tuned yet: open parameters have their defaults"
    if trial.same is False:
        yield "  a component or the protocol has another version now: its figures may differ from the stored ones"
    if trial.workers > 1:
        yield f"  {trial.workers} workers trained it; one does here: figures differ where each worker has its own statistics"


def _own(component: "Component") -> str:
    """Return the parameters that are not at their defaults, but for those of a protocol that are always told."""
    values = component.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(f"{key}={value}" for key, value in values.items() if key not in ("epochs", "batch_size"))


def _epoch(trial: "KeptTrial", row: "EpochRow") -> str:
    from orchestrator.sweep.debug import measured

    values = [("lr", row.lr), ("train_loss", row.train_loss), measured(trial, row.val)]
    shown = (f"{name} {value:.5g}" for name, value in values if value is not None)
    return f"epoch {row.epoch}/{trial.spec.protocol.epochs}  {'  '.join(shown)}  {row.seconds:.1f} s"


def _ended(trial: "KeptTrial", result: "TrialResult") -> "Iterator[str]":
    from orchestrator.sweep.debug import measured

    yield f"{result.status}{f': {result.reason}' if result.reason else ''}"
    if result.val is None:
        return
    name, now = measured(trial, result.val)
    before = dict(trial.scores).get(name)
    if now is None or before is None:
        yield f"{name} {now}; none is stored" if before is None else f"{name} {now}; {before} is stored"
    else:
        yield f"{name} {now:.6g}; {'the same' if now == before else f'{before:.6g}'} is stored"
