"""What W&B costs the training of a sweep, and how the sweep ends: without W&B, offline, online, and while it is away.

`python -m benchmarks.wandb_outage [--rounds 2] [--live] [--json]` runs one small grid on Ray's two slots again and again,
against a server on loopback that answers, is not there, never answers, refuses the key, or answers with 500. Then what is
pending is pushed, and each row must be there once. With `--live`, in this process and with fewer and longer trials, runs
are sent while they train and the fault begins with the second parcel of rows: `online` is then what live runs cost.
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
WAYS: Final = ("offline", "online", "refused", "silent", "401", "500")


@dataclass(frozen=True)
class Swept:
    """One sweep."""

    way: str
    code: int
    wall_seconds: float
    train_seconds: float
    """Of all trials together."""
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
        ended = subprocess.run(start, cwd=folder, env=own, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - began
        there = sum(run.complete for run in server.account.runs.values())
        server.heal()
        if way == "refused":
            server.listen()
        if way != "offline":
            subprocess.run([*orch, "wandb", "push", str(results)], env=own, capture_output=True, check=True)
            rows = {len(run.history) for run in server.account.runs.values()}
            if len(server.account.runs) != trials or rows != {epochs} or server.unknown:
                raise SystemExit(f"{way}: {len(server.account.runs)} runs of {rows} rows; {server.unknown[:3]}")
    journal = Journal.read(results / "journal.sqlite")
    ((trained,),) = journal.query("SELECT sum(train_seconds) FROM trials")
    journal.close()
    return Swept(way, ended.returncode, wall, trained, trials - there)


def measure(rounds: int, *, live: bool) -> list[Swept]:
    found = []
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            with TemporaryDirectory(prefix="o-") as folder:
                found.append(sweep(way, Path(folder), live=live))
                print(found[-1], file=sys.stderr)
    return found


def table(swept: Sequence[Swept]) -> str:
    by_way = {way: [one for one in swept if one.way == way] for way in WAYS}
    floor = mean(one.train_seconds for one in by_way["offline"])
    rows = []
    for way, these in by_way.items():
        trained = mean(one.train_seconds for one in these)
        codes = re.sub(r"[{}]", "", str({one.code for one in these}))
        wall = mean(one.wall_seconds for one in these)
        pending = "-" if way == "offline" else these[-1].pending
        rows.append((way, f"{trained:.1f}", f"{trained / floor - 1:+.1%}", f"{wall:.1f}", codes, pending))
    return markdown(("W&B is", "training, s", "to offline", "whole sweep, s", "exit code", "pending at its end"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--live", action="store_true", help="send runs while their trials train")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    about, swept = machine(), measure(options.rounds, live=options.live)
    if options.json:
        print(json.dumps({"machine": about, "sweeps": [asdict(one) for one in swept]}, indent=2))
        return
    print(about)
    print(table(swept))


if __name__ == "__main__":
    main()
