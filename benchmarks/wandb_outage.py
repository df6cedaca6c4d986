"""What W&B costs the training of a sweep, and how the sweep ends: without W&B, offline, online, and while it is away.

`python -m benchmarks.wandb_outage [--rounds 2] [--live] [--ways offline online] [--json]` runs one small grid on Ray's two
slots again and again, against a server on loopback that answers, is not there, never answers, refuses the key, is asked too
often, answers with 500, or does so where it has done what was asked. Then what is pending is pushed, and each row must be
there once. With `--live`, in one process and with fewer and longer trials, runs are sent while they train and the fault
begins with the second parcel of rows: `online` is then what live runs cost.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.machine import machine
from benchmarks.spent import Spending, Spent
from benchmarks.table import markdown
from orchestrator.store.journal import Journal
from tests.wandb_server import KEY, WandbServer

TRIALS: Final = 16
GRID: Final = f"""\
name: outage
axes:
  dataset: [digits]
  model: [{{name: cnn, channels: [16, 32]}}]
  optimizer: [adam]
  regularizer: [none]
seeds: {TRIALS}
protocol: {{epochs: 10}}
"""
LIVE_TRIALS: Final = 2
LIVE_EPOCHS: Final = 80
LIVE_GRID: Final = (
    GRID.replace(f"seeds: {TRIALS}", f"seeds: {LIVE_TRIALS}").replace("epochs: 10", f"epochs: {LIVE_EPOCHS}")
    + "wandb: {live: on}\n"
)
WAYS: Final = ("offline", "online", "refused", "silent", "401", "429", "500", "lost")
"""`offline` is what the others are compared to."""


@dataclass(frozen=True)
class Swept:
    """One sweep."""

    way: str
    code: int
    wall_seconds: float
    train_seconds: float
    """Of all trials together."""
    spent: Spent
    pending: int
    """Runs that W&B did not have at its end."""


def begin(way: str, server: WandbServer) -> None:
    """W&B is away from now on."""
    if way == "refused":
        server.refuse()
    elif way not in ("offline", "online"):
        server.fail(way)  # type: ignore[arg-type]


def begin_in_the_middle(way: str, server: WandbServer) -> None:
    def wait() -> None:
        server.wait_for("file_stream", 2, seconds=600)
        begin(way, server)

    threading.Thread(target=wait, daemon=True).start()


def sweep(way: str, folder: Path, *, live: bool) -> Swept:
    (folder / "grid.yaml").write_text(LIVE_GRID if live else GRID)
    trials, epochs = (LIVE_TRIALS, LIVE_EPOCHS) if live else (TRIALS, 10)
    results = folder / "results" / way
    with WandbServer() as server:
        own = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        own |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url, "OMP_NUM_THREADS": "1"}
        if way not in ("offline", "online"):
            (begin_in_the_middle if live else begin)(way, server)
        mode = "offline" if way == "offline" else "online"
        orch = [sys.executable, "-m", "orchestrator"]
        start = [*orch, "sweep", "grid.yaml", "--results", str(results), "--wandb", mode, "-q"]
        start += ["--engine", "inline"] if live else []
        began = time.perf_counter()
        with subprocess.Popen(start, cwd=folder, env=own) as ended, Spending(ended.pid) as spending:
            ended.wait()
        wall = time.perf_counter() - began
        there = sum(run.complete for run in server.account.runs.values())
        server.heal()
        if way == "refused":
            server.listen()
        if way != "offline":
            subprocess.run([*orch, "wandb", "push", str(results)], env=own, capture_output=True, check=True)
            steps = [[row["_step"] for row in run.history] for run in server.account.runs.values()]
            if steps != [list(range(1, epochs + 1))] * trials or server.unknown:
                raise SystemExit(f"{way}: {len(steps)} runs with the rows {steps}; {server.unknown[:3]}")
    journal = Journal.read(results / "journal.sqlite")
    ((trained,),) = journal.query("SELECT sum(train_seconds) FROM trials")
    journal.close()
    return Swept(way, ended.returncode, wall, trained, spending.spent, trials - there)


def measure(rounds: int, ways: Sequence[str], *, live: bool) -> list[Swept]:
    found = []
    for number in range(rounds):
        for way in ways if number % 2 == 0 else ways[::-1]:
            with TemporaryDirectory(prefix="o-") as folder:
                found.append(sweep(way, Path(folder), live=live))
                print(found[-1], file=sys.stderr)
    return found


def table(swept: Sequence[Swept]) -> str:
    floor = [one for one in swept if one.way == "offline"]
    header = ("W&B is", "training, s", "to offline", "sweep, CPU-s", "to offline", "writer, CPU-s", "whole sweep, s")
    rows = [
        _row(way, [one for one in swept if one.way == way], floor) for way in dict.fromkeys(one.way for one in swept)
    ]
    return markdown((*header, "exit code", "pending at its end"), rows)


def _row(way: str, these: Sequence[Swept], floor: Sequence[Swept]) -> tuple[object, ...]:
    trained = [mean(one.train_seconds for one in some) for some in (these, floor)]
    processor = [mean(one.spent.sweep for one in some) for some in (these, floor)]
    codes = re.sub(r"[{}]", "", str({one.code for one in these}))
    pending = "-" if way == "offline" else max(one.pending for one in these)
    writer, wall = mean(one.spent.writer for one in these), mean(one.wall_seconds for one in these)
    return (way, *_beside(*trained), *_beside(*processor), f"{writer:.1f}", f"{wall:.1f}", codes, pending)


def _beside(found: float, floor: float) -> tuple[str, str]:
    return f"{found:.1f}", f"{found / floor - 1:+.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--live", action="store_true", help="send runs while their trials train")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="what W&B is; offline is measured too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    ways = tuple(dict.fromkeys(("offline", *options.ways)))
    about, swept = machine(), measure(options.rounds, ways, live=options.live)
    if options.json:
        print(json.dumps({"machine": about, "sweeps": [asdict(one) for one in swept]}, indent=2))
        return
    print(about)
    print(table(swept))


if __name__ == "__main__":
    main()
