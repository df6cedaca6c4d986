"""The sweep under test: `orch` itself, whose trials leave a trace of their own and misbehave as their seeds say.

`python -m tests.chaos.driver sweep grid.yaml ...`. What a trial computes is real; `witness.log` in the folder tells, apart
from the journal, which trials began and ended. A file `pace` there holds the seconds that a trial takes at least.
"""

import ctypes
import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.context import Context
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialTask
from trainables.stages.run import run_task

POISON, HANGS, HOLDS_THE_GIL, NOT_A_NUMBER, WANTS_MEMORY, DIES_ONCE = range(901, 907)
"""Seeds of trials that misbehave."""
NAN_EPOCH = 2
"""The epoch in which NOT_A_NUMBER diverges."""
WITNESS, PACE, BEGUN = "witness.log", "pace", "begun"
"""File names in the case's folder."""
FOLDER = "ORCH_CHAOS_FOLDER"
"""A variable that names this folder: Ray Train's workers have a working directory of their own."""


def witnessed(trial_task: TrialTask, context: Context) -> TrialResult:
    """A real trial, or what is made of one or found out about it; or one that ends as its seed says."""
    pace = _place(PACE)
    until = time.monotonic() + (float(pace.read_text()) if pace.exists() else 0.0)
    first = context.rank == 0
    if first:
        _note("began", trial_task)
    match trial_task.spec.seed:
        case 901:
            os._exit(1)
        case 902:
            time.sleep(3600)
        case 903:
            ctypes.PyDLL(None).sleep(3600)  # a PyDLL keeps the GIL while its function runs
        case 904:
            context = Poisoned(context)
        case 905:
            import torch

            torch.empty(1 << 60, dtype=torch.uint8)
        case 906 if trial_task.attempt == 1:
            os._exit(1)
    result = run_task(trial_task, context)
    while time.monotonic() < until:
        context.check()
        time.sleep(0.01)
    if first:
        _note("ended", trial_task)
    return result


class Poisoned:
    """A context in which the weights stop being numbers in epoch NAN_EPOCH."""

    def __init__(self, context: Context) -> None:
        self._context, self._epochs = context, 0

    def wrap(self, module: Any) -> Any:
        self._module = module
        return self._context.wrap(module)

    def report(self, row: EpochRow) -> bool:
        self._epochs += 1
        return self._context.report(row)

    def check(self) -> None:
        if self._epochs == NAN_EPOCH - 1:
            for parameter in self._module.parameters():
                parameter.data.fill_(float("nan"))
        self._context.check()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def main(arguments: Sequence[str]) -> int:
    """What `orch` does with these arguments, its trials witnessed."""
    import orchestrator.sweep.run
    from orchestrator.cli import run
    from orchestrator.sweep.stop import stop_early

    os.environ[FOLDER] = str(Path.cwd())
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])  # Ray's workers look there before another's `tests`
    stop_early()
    _place(BEGUN).touch()  # a signal before this moment would meet Python itself
    orchestrator.sweep.run.SweepRequest = functools.partial(orchestrator.sweep.run.SweepRequest, run_trial=witnessed)
    sys.argv = ["orch", *arguments]
    return run(arguments)


def _place(name: str) -> Path:
    return Path(os.environ[FOLDER]) / name


def _note(what: str, trial_task: TrialTask) -> None:
    with _place(WITNESS).open("ab", buffering=0) as file:
        file.write(f"{what} {trial_task.trial_id} {trial_task.attempt} {time.time()}\n".encode())


if __name__ == "__main__":
    # imported by its name, so that slots find `witnessed` there
    from tests.chaos import driver

    os._exit(driver.main(sys.argv[1:]))
