"""What `orch watch` costs: a look at 10,000 trials, how far a page is behind, and a sweep with and without a page.

    python -m benchmarks.watching [--trials 10000] [--only looks|sweep] [--json]

Looks are at a made-up journal in which a trial ends before each. The page's lag is from a commit of the journal until a
client of the server has it. The sweep is of null trials, inline, so that it writes its journal as fast as one can: a page is
opened and closed in turn while it runs, and its own processor time is counted, since wall time tells who else is running.
"""

import argparse
import http.client
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
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
LOOKS: Final = 30
COMMITS: Final = 40
TURN: Final = 2.0
"""Seconds that a page is open, and then closed, beside a sweep."""


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
def serving_page(results: Path) -> Iterator[tuple[psutil.Process, str]]:
    """`orch watch` in a process of its own, and its address."""
    command = [sys.executable, "-m", "orchestrator", "watch", str(results), "--no-browser", "--until-eof"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield psutil.Process(process.pid), process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


@contextmanager
def opened(address: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What an open page hears."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", url.port)
    connection.request("GET", f"{url.path}events")
    answer = connection.getresponse()
    try:
        yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
    finally:
        assert connection.sock is not None
        connection.sock.shutdown(socket.SHUT_RDWR)  # whoever listens in another thread hears the end
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

        with serving_page(paths.root) as (_, address), opened(address) as stream:
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


def sweep_beside_a_page(folder: Path, trials: int) -> list[Figure]:
    """What a page adds to the processor time of a sweep of null trials, which a page watches every other while.

    The page is opened and closed within one sweep, since whole sweeps of one way differ by more than what is asked.
    """
    grid, results = write_null_grid(folder / "grid.yaml", trials), folder / "sweep"
    command = [sys.executable, "-m", "benchmarks.scale_sweep", str(grid), str(results), "inline"]
    with serving_page(results) as (server, address):
        sweep = psutil.Popen(command, stdout=subprocess.DEVNULL)
        try:
            whiles, page_share = _by_turns(sweep, server, address, ResultsPaths(results), trials)
        finally:
            sweep.kill()
            sweep.wait()
    more = [
        1000 * (watched_one - (before + after) / 2)
        for before, watched_one, after in zip(whiles[0::2], whiles[1::2], whiles[2::2], strict=False)
    ]
    return [
        Figure("sweep alone, CPU a trial, median", 1000 * statistics.median(whiles[0::2]), "us"),
        Figure("sweep with a page, CPU a trial, median", 1000 * statistics.median(whiles[1::2]), "us"),
        Figure(f"more with a page, mean of {len(more)} turns", statistics.fmean(more), "us"),
        Figure(
            "that is unsure by (two standard errors)", unsure := 2 * statistics.stdev(more) / len(more) ** 0.5, "us"
        ),
        Figure("trials that take longer than this lose less than 1 %", (statistics.fmean(more) + unsure) / 10, "ms"),
        Figure("page's own CPU, of one core", 100 * page_share, "%"),
    ]


def _by_turns(
    sweep: psutil.Popen, server: psutil.Process, address: str, paths: ResultsPaths, trials: int
) -> tuple[list[float], float]:
    """Processor time of a trial in ms, while by while, the first without a page; the share of a core that the page took."""
    whiles, of_page, open_seconds = list[float](), 0.0, 0.0
    while _ended(paths) < 50:  # past its start
        _check(sweep)
        time.sleep(0.1)
    done, cpu = _ended(paths), sum(sweep.cpu_times()[:2])
    while done < 0.95 * trials:
        _check(sweep)
        page_cpu, began = sum(server.cpu_times()[:2]), time.monotonic()
        if len(whiles) % 2:
            with opened(address) as looks:
                threading.Thread(target=_hear, args=(looks,), daemon=True).start()
                time.sleep(TURN)
            of_page += sum(server.cpu_times()[:2]) - page_cpu
            open_seconds += time.monotonic() - began
        else:
            time.sleep(TURN)
        done_now, cpu_now = _ended(paths), sum(sweep.cpu_times()[:2])
        whiles.append(1000 * (cpu_now - cpu) / (done_now - done))
        done, cpu = done_now, cpu_now
    return whiles, of_page / open_seconds


def _hear(looks: Iterator[object]) -> None:
    with suppress(AttributeError):  # http.client's, where its connection is closed under it
        for _ in looks:
            pass


def _check(sweep: psutil.Popen) -> None:
    if sweep.poll() is not None:
        raise SystemExit(f"the sweep ended with {sweep.returncode} while it was measured")


def _ended(paths: ResultsPaths) -> int:
    """Completed trials in the journal."""
    if not paths.journal.exists():
        return 0
    with closing(sqlite3.connect(f"file:{paths.journal}?mode=ro", uri=True)) as connection:
        try:
            (count,) = connection.execute("SELECT count(*) FROM trials WHERE status = 'completed'").fetchone()
        except sqlite3.OperationalError:  # its tables are being made
            return 0
    return int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--only", choices=["looks", "sweep"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only != "sweep":
            paths = write_made_up(Path(folder, "made-up"), variants=max(1, arguments.trials // 1000), broken_down=False)
            figures += [*looks(paths), *behind(paths)]
        if arguments.only != "looks":
            figures += sweep_beside_a_page(Path(folder), arguments.trials)
    if arguments.json:
        print(json.dumps({**machine(), "figures": [asdict(figure) for figure in figures]}, indent=1))
        return
    rows = [[one.what, f"{one.value:.2f}", one.unit, "" if one.most is None else f"{one.most:g}"] for one in figures]
    print(markdown(["", "", "unit", "at most"], rows))


if __name__ == "__main__":
    main()
