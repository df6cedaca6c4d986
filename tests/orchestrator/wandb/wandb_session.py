"""The process that writes W&B runs, carried out in this one, against a server of the test's or none."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from click.testing import CliRunner

from orchestrator.grid.settings import Destination, Mode
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb import writer
from orchestrator.wandb.__main__ import main
from orchestrator.wandb.process import command
from orchestrator.wandb.runs import finished_cells, finished_trials
from tests.orchestrator.sample import Cell
from tests.wandb_server import WandbServer
from tests.wandb_server.account import Run

assert writer, "the SDK is imported before the first writer, whose temporary folders go when it ends"


@dataclass(frozen=True)
class Session:
    """How it ended."""

    code: int
    log: str
    finished: int
    written: int
    there: int
    pending: int
    deleted: int
    failure: str
    report: str


def write(
    paths: ResultsPaths, *, mode: Mode = "online", report: bool = False, patience: int = 30, **to: Any
) -> Session:
    """Without the report unless asked for. patience: seconds. to: fields of the destination."""
    _, _, _, *asked = command(paths, mode, Destination(**{"project": "demo", **to}))
    waits = ["--answer-seconds", str(patience), "--finish-seconds", str(patience)]
    done = CliRunner().invoke(main, [*asked, *waits, "--report" if report else "--no-report"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return Session(done.exit_code, done.stderr, **json.loads(done.stdout))


class Following:
    """The writer as a process of its own beside a sweep that runs."""

    def __init__(self, paths: ResultsPaths, *, patience: int = 10, **to: Any) -> None:
        start = command(paths, "online", Destination("demo", **to))
        waits = [f"--answer-seconds={patience}", f"--finish-seconds={patience}", "--parcel-seconds=1"]
        self._log = paths.wandb_log
        self._process = subprocess.Popen(
            [*start, *waits, "--no-report", "--follow"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=paths.wandb_log.open("ab"),
            text=True,
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        """By this writer and those before."""
        return self._log.read_text()

    def end(self) -> Session:
        """The sweep is over."""
        output, _ = self._process.communicate(timeout=120)
        return Session(self._process.returncode, self.log, **json.loads(output))

    def kill(self, *, with_service: bool = True) -> None:
        """Without warning. with_service: the SDK's own process too, which ends by itself a little later otherwise."""
        itself = psutil.Process(self._process.pid)
        for process in (itself, *(itself.children() if with_service else ())):
            process.kill()
        self._process.communicate()


def run_of(server: WandbServer, paths: ResultsPaths, cell: Cell, seed: int) -> Run:
    """Of the trial's latest end."""
    return server.account.runs[run_id_of(paths, cell.trial_id(seed))]


def run_id_of(paths: ResultsPaths, trial_or_cell_id: str) -> str:
    journal = Journal.read(paths.journal)
    try:
        ended = [*finished_trials(journal), *finished_cells(journal)]
        (run_id,) = (unit.run_id(journal.directory_id) for unit in ended if unit.trial_id == trial_or_cell_id)
        return run_id
    finally:
        journal.close()


def directory_id(paths: ResultsPaths) -> str:
    journal = Journal.read(paths.journal)
    try:
        return journal.directory_id
    finally:
        journal.close()


def folders(paths: ResultsPaths) -> list[Path]:
    """What the SDK keeps of runs."""
    return sorted(path for path in paths.wandb.iterdir() if "run-" in path.name and not path.is_symlink())
