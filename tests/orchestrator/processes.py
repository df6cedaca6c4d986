"""Sweeps as processes, for tests that signal them, kill them, and look at what they leave."""

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pandas as pd
import psutil

from orchestrator.errors import DamagedResults
from orchestrator.store.journal import Journal
from results_schema import ENDED
from tests.forks import Fork

ROOT = Path(__file__).parents[2]
ORCH = Path(sys.executable).parent / "orch"
SWEEPER = Path(__file__).parent / "sweeper.py"
PATIENCE = 240.0
"""Seconds after which something that is waited for is taken for hung, on a machine that may be busy."""

GRID = """\
name: sweep
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [8]}]
  optimizer: [sgd]
  regularizer: [none]
seeds: %s
protocol: {epochs: 1%s}
resources: {workers: %d}
wandb: {mode: disabled}
"""


def write_grid(folder: Path, seeds: Sequence[int], *, protocol: str = "", workers: int = 1) -> Path:
    grid = folder / "grid.yaml"
    grid.write_text(GRID % (list(seeds), f", {protocol}" if protocol else "", workers))
    return grid


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def start(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.Popen[str] | Fork:
    """A Python process in `folder`, in a process group of its own. Ray starts its workers as the driver was started."""
    if "ray" not in arguments:
        return Fork(folder, arguments, environment() | variables)
    return piped(folder, *arguments, **variables)


def piped(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """The same with pipes, for who reads what it says while it runs."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment() | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def orch(folder: Path, *arguments: str | Path, site: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command `orch` in `folder`. site: where plug-ins are installed."""
    paths = os.pathsep.join(dict.fromkeys((str(site), str(ROOT))))
    process = start(folder, "-m", "orchestrator", *arguments, **{"PYTHONPATH": paths} | variables)
    return subprocess.CompletedProcess(process.args, *finish(process, 2 * PATIENCE))


def finish(process: subprocess.Popen[str] | Fork, patience: float = PATIENCE) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    try:
        output, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"hung; it had said:\n{errors}") from None
    return process.returncode, output, errors


def sweep(folder: Path, engine: str, *options: str) -> tuple[int, str, str]:
    """Run grid.yaml of the folder with the trials of `sweeper.py` to its end."""
    return finish(start(folder, SWEEPER, "grid.yaml", engine, *options))


def wait_until(what: str, holds: Callable[[], bool], process: subprocess.Popen[str] | Fork) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert process.poll() is None, f"ended before {what}: {process.communicate()}"
        assert time.monotonic() < ends, f"waited in vain until {what}"
        time.sleep(0.1)


def counts(results: Path) -> Counter[str]:
    """Status to number of trials, as the journal has it now."""
    try:
        journal = Journal.read(results / "journal.sqlite")
    except (FileNotFoundError, DamagedResults):  # it is just being made
        return Counter()
    try:
        return Counter(journal.counts())
    finally:
        journal.close()


def finished(journal: Path) -> dict[str, int]:
    """Trial id to attempts of what a journal has as finished now: it must never run again."""
    if not journal.exists() or not journal.stat().st_size:
        return {}
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'trials'").fetchone()[0]:
            return {}
        rows = db.execute("SELECT trial_id, status, attempts FROM trials").fetchall()
    return {trial_id: attempts for trial_id, status, attempts in rows if status in ENDED}


def trials(folder: Path) -> pd.DataFrame:
    """The trials table, by seed."""
    return pd.read_parquet(folder / "results" / "sweep" / "trials.parquet").set_index("seed")


def attempts(folder: Path) -> dict[int, list[str]]:
    """Seed to the statuses of its attempts, in their order."""
    seed_of = {row.trial_id: int(seed) for seed, row in trials(folder).iterrows()}
    table = pd.read_parquet(folder / "results" / "sweep" / "attempts.parquet").sort_values(["trial_id", "attempt"])
    found: dict[int, list[str]] = {}
    for row in table.itertuples():
        found.setdefault(seed_of[row.trial_id], []).append(str(row.status))
    return found


def family(process: subprocess.Popen[str] | Fork) -> list[psutil.Process]:
    """Everything that the process has started, and what that has started."""
    return psutil.Process(process.pid).children(recursive=True)


def left_of(processes: list[psutil.Process]) -> list[str]:
    """Which of the processes still live, some time after they should have gone."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    return [process.name() for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def listening(processes: list[psutil.Process]) -> set[IPv4Address | IPv6Address]:
    """Addresses on which the processes accept connections."""
    found = {
        ip_address(connection.laddr.ip)
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    return {getattr(address, "ipv4_mapped", None) or address for address in found}
