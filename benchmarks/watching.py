"""What `orch watch` costs: a look at 10,000 trials, how far a page is behind, and a sweep with and without a page.

    python -m benchmarks.watching [--trials 10000] [--rounds 3] [--json]

Looks are at a made-up journal in which a trial ends before each. The page's lag is from a commit of the journal until a
client of the server has it. The sweep is of null trials, inline, so that it writes its journal as fast as one can: in turn
with a page that is open and without one, as processor time of its process, since wall time tells who else is running.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from benchmarks.machine import machine
from benchmarks.made_up import BEGIN, write_made_up
from benchmarks.null_grid import write_null_grid
from benchmarks.scale import Figure
from benchmarks.table import markdown
from benchmarks.watched import watched
from orchestrator.engine import EpochDone, Started
from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.watch.look import as_json
from orchestrator.watch.reading import ResultsReader
from trainables.records import EpochRow
from trainables.tasks.classification import ClassificationScores

LOOK_MS: Final = 20.0
BEHIND_SECONDS: Final = 3.0
SLOWER: Final = 0.01
LOOKS: Final = 30
COMMITS: Final = 40


def looks(paths: ResultsPaths) -> list[Figure]:
    """Processor time of one look with its JSON, the first of a process and those that follow, and its wall time."""
    reader, took, walls = ResultsReader(paths.root), list[float](), list[float]()
    size = 0
    with closing(Journal.create_or_open(paths.journal)) as journal, ResultsLock(paths):
        trials = [
            row[0]
            for row in journal.query("SELECT trial_id FROM trials WHERE status = 'completed' LIMIT ?", (LOOKS + 8,))
        ]
        for trial_id in trials[:8]:
            journal.started(Started(trial_id, 2, "slot-0", "bench-1", 4242, BEGIN), "e" * 16)
        for trial_id in trials[8:]:
            journal.started(Started(trial_id, 2, "slot-0", "bench-1", 4242, BEGIN), "e" * 16)
            journal.set_aside(trial_id, "skipped", "a look")
            journal.commit()
            began, cpu = time.perf_counter(), time.thread_time()
            size = len(as_json(reader.look()))
            took.append(1000 * (time.thread_time() - cpu))
            walls.append(1000 * (time.perf_counter() - began))
    first, *others = took
    return [
        Figure("look: first of a process, CPU", first, "ms"),
        Figure("look: each other, CPU, median", statistics.median(others), "ms", LOOK_MS),
        Figure("look: each other, CPU, least", min(others), "ms", LOOK_MS),
        Figure("look: each other, wall, median", statistics.median(walls[1:]), "ms"),
        Figure("look: JSON", size / 1024, "KiB"),
    ]


@contextmanager
def page(results: Path) -> Iterator[tuple[psutil.Process, Iterator[dict[str, Any]]]]:
    """`orch watch` in a process of its own, and what an open page hears."""
    command = [sys.executable, "-m", "orchestrator", "watch", str(results), "--no-browser", "--until-eof"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    address = urlsplit(process.stdout.readline().strip())
    connection = http.client.HTTPConnection("127.0.0.1", address.port)
    connection.request("GET", f"{address.path}events")
    answer = connection.getresponse()
    try:
        yield psutil.Process(process.pid), (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
    finally:
        process.stdin.close()
        process.wait()
        connection.close()


def behind(paths: ResultsPaths) -> list[Figure]:
    """From the commit of an epoch until a page has it."""
    committed: dict[int, float] = {}
    seen: dict[int, float] = {}
    with closing(Journal.create_or_open(paths.journal)) as journal, ResultsLock(paths):
        (trial_id,) = next(journal.query("SELECT trial_id FROM trials WHERE status = 'completed' LIMIT 1"))
        journal.started(Started(trial_id, 3, "slot-1", "bench-1", 4242, datetime.now(UTC)), "e" * 16)
        journal.commit()

        def hear() -> None:
            for look in stream:
                now = time.monotonic()
                epoch = max((slot["epoch"] for slot in look["slots"] if slot["trial_id"] == trial_id), default=0)
                for number in [number for number in committed if number <= epoch and number not in seen]:
                    seen[number] = now
                if epoch == COMMITS:
                    return

        with page(paths.root) as (_, stream):
            next(stream)
            listener = threading.Thread(target=hear)
            listener.start()
            for number in range(1, COMMITS + 1):
                score = ClassificationScores(loss=0.1, accuracy=0.9, balanced_accuracy=0.9)
                row = EpochRow(
                    epoch=number, lr=0.1, train_loss=0.1, train_accuracy=0.9, val=score, seconds=0.5, eval_seconds=0.1
                )
                journal.epoch_done(EpochDone(trial_id, 3, row))
                journal.commit()
                committed[number] = time.monotonic()
                time.sleep(0.37)  # at any moment between two looks
            listener.join()
    lags = [seen[number] - committed[number] for number in committed]
    return [
        Figure("page behind a commit, median", statistics.median(lags), "s"),
        Figure("page behind a commit, most", max(lags), "s", BEHIND_SECONDS),
    ]


def sweeps(folder: Path, trials: int, rounds: int) -> list[Figure]:
    """Processor time of a sweep of null trials, alone and with a page open, in turn."""
    grid = write_null_grid(folder / "grid.yaml", trials)
    alone, with_page, of_page, walls = list[float](), list[float](), list[float](), list[float]()
    for number in range(rounds):
        for is_watched in (False, True) if number % 2 else (True, False):
            results = folder / f"sweep-{number}-{is_watched}"
            command = ["-m", "benchmarks.scale_sweep", str(grid), str(results), "inline"]
            if not is_watched:
                alone.append(watched(command).cpu_seconds)
                continue
            with page(results) as (process, stream):
                threading.Thread(target=lambda: list(stream), daemon=True).start()
                before = sum(process.cpu_times()[:2])
                began = time.monotonic()
                with_page.append(watched(command).cpu_seconds)
                walls.append(time.monotonic() - began)
                of_page.append(sum(process.cpu_times()[:2]) - before)
    more = [100 * (watched_one / one - 1) for watched_one, one in zip(with_page, alone, strict=True)]
    unsure = 2 * statistics.stdev(more) / rounds**0.5 if rounds > 1 else float("nan")
    return [
        Figure("sweep alone, CPU, median", statistics.median(alone), "s"),
        Figure("sweep with a page, CPU, median", statistics.median(with_page), "s"),
        Figure("sweep with a page, more CPU, mean of the rounds", statistics.fmean(more), "%", 100 * SLOWER),
        Figure("that is unsure by (two standard errors)", unsure, "%"),
        Figure("page's own CPU, of one core", 100 * sum(of_page) / sum(walls), "%"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["looks", "sweeps"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only != "sweeps":
            paths = write_made_up(Path(folder, "made-up"), variants=max(1, arguments.trials // 1000), broken_down=False)
            figures += [*looks(paths), *behind(paths)]
        if arguments.only != "looks":
            figures += sweeps(Path(folder), arguments.trials, arguments.rounds)
    if arguments.json:
        print(json.dumps({**machine(), "figures": [asdict(figure) for figure in figures]}, indent=1))
        return
    rows = [[one.what, f"{one.value:.2f}", one.unit, "" if one.most is None else f"{one.most:g}"] for one in figures]
    print(markdown(["", "", "unit", "at most"], rows))


if __name__ == "__main__":
    main()
