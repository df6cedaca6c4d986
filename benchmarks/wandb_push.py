"""Seconds a run of `orch wandb push`, to a W&B server on loopback, so that neither a network nor W&B's own time is in it.

`python -m benchmarks.wandb_push [--runs 200] [--json]` makes up results of so many trials (30 epochs, ten classes, with
ROC curves and confusion matrices), pushes them with the real SDK, pushes again, and looks that each row is there once.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.machine import machine
from benchmarks.made_up import write_made_up
from benchmarks.table import markdown
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.wandb_server import KEY, WandbServer

MAX_SECONDS: Final = 0.5
"""Of one run."""


@dataclass(frozen=True)
class Push:
    """One call of the command."""

    what: str
    runs: int
    seconds: float
    """Of the whole command: Python, the SDK and the report too."""
    requests: int

    @property
    def seconds_a_run(self) -> float:
        return self.seconds / self.runs


def push(results: Path, server: WandbServer) -> tuple[float, int]:
    """Seconds, and requests that the server had."""
    before, began = server.requests.total(), time.perf_counter()
    command = [sys.executable, "-m", "orchestrator", "wandb", "push", str(results)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"orch wandb push ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return time.perf_counter() - began, server.requests.total() - before


def check(paths: ResultsPaths, server: WandbServer) -> None:
    """Each epoch of each trial is there once. Raises SystemExit."""
    journal = Journal.read(paths.journal)
    rows = dict(
        journal.query("SELECT trials.trial_id, count(epoch) FROM trials LEFT JOIN epochs USING (trial_id) GROUP BY 1")
    )
    journal.close()
    there = {run.name.partition("-")[0]: [row["_step"] for row in run.history] for run in server.account.runs.values()}
    wrong = [trial_id for trial_id, epochs in rows.items() if there.get(trial_id) != list(range(1, epochs + 1))]
    if wrong or server.unknown:
        raise SystemExit(f"{len(wrong)} runs are not there as they are in the journal; {server.unknown[:3]}")


def measure(runs: int) -> list[Push]:
    if runs % 200:
        raise SystemExit("--runs is a multiple of 200, the cells of the made-up results")
    with TemporaryDirectory(prefix="push-") as folder, WandbServer() as server:
        paths = write_made_up(Path(folder) / "made_up", seeds=runs // 200)
        found = [Push(what, runs, *push(paths.root, server)) for what in ("first", "again, nothing left")]
        check(paths, server)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    about = machine()
    pushes = measure(options.runs)
    if options.json:
        print(json.dumps({"machine": about, "pushes": [asdict(done) for done in pushes]}, indent=2))
        return
    print(about)
    rows = [
        (done.what, done.runs, f"{done.seconds:.1f}", f"{done.seconds_a_run:.3f}", MAX_SECONDS, done.requests)
        for done in pushes
    ]
    print(markdown(("push", "runs", "s", "s a run", "at most", "requests"), rows))


if __name__ == "__main__":
    main()
