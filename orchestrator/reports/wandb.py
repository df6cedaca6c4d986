"""Writes W&B runs from the journal, in a process of its own: `python -m orchestrator.reports.wandb RESULTS --help`.

The only file that imports wandb. A run is written when its trial has finished, whole: nothing that happens here can slow
down or break a trial. Without a key, and when the network is away, runs are written offline (`wandb sync` sends them).
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import click
import wandb
from filelock import FileLock

from orchestrator.reports.runs import Finished, Run, finished_trials, read_run
from orchestrator.reports.sent import SentRuns
from orchestrator.reports.wandb_process import Mode, has_key
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths

POLL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class WandbSettings:
    """Where runs go."""

    mode: Mode
    project: str
    entity: str | None = None
    answer_seconds: float = 30.0
    """What the server is given to answer before runs are written offline."""


def write_runs(paths: ResultsPaths, settings: WandbSettings, stop: Callable[[], bool]) -> int:
    """Write a run for each trial that has finished, until `stop` and everything is written. Returns how many.

    Raises DamagedResults, FileNotFoundError (no journal), OSError (a full disk).
    """
    if settings.mode == "disabled":
        return 0
    paths.wandb.mkdir(parents=True, exist_ok=True)
    # a writer of an earlier invocation may still be at work; two would write the same runs
    with FileLock(paths.wandb_lock):
        journal = Journal.read(paths.journal)
        try:
            return _Writer(paths, settings, journal).follow(stop)
        finally:
            journal.close()
            wandb.teardown()


class _Writer:
    """Writes runs one after another, and goes offline for good when the server does not answer."""

    def __init__(self, paths: ResultsPaths, settings: WandbSettings, journal: Journal) -> None:
        self._paths, self._settings, self._journal = paths, settings, journal
        self._sent = SentRuns(paths.wandb_sent)
        self._online = settings.mode == "online" or (settings.mode == "auto" and has_key())
        self._directory = journal.directory_id

    def follow(self, stop: Callable[[], bool]) -> int:
        written = 0
        while True:
            # asked before the journal is read: what is finished when the sweep ends is then surely seen
            last = stop()
            written += self._write_new()
            if last:
                return written
            _wait(stop)

    def _write_new(self) -> int:
        new = [trial for trial in finished_trials(self._journal) if trial not in self._sent]
        for trial in new:
            self._write(trial)
        return len(new)

    def _write(self, trial: Finished) -> None:
        run = read_run(self._journal, trial.trial_id, self._directory)
        # the trial ran again, or we were killed while writing it
        _remove(self._paths.wandb.glob(f"offline-run-*-{run.run_id}"))
        tracked = self._begin(run)
        for epoch, values in run.epochs:
            # committed at once: the last epoch would otherwise overwrite the summary, whose scores are the selected epoch's
            tracked.log(values, step=epoch, commit=True)
        tracked.summary.update(run.summary)
        tracked.finish(exit_code=0 if run.succeeded else 1)
        self._sent.add(trial, run.run_id, "online" if self._online else "offline")

    def _begin(self, run: Run) -> "wandb.Run":
        if self._online:
            try:
                return self._init(run, "online")
            except (wandb.errors.Error, TimeoutError, OSError) as error:
                # a failed init keeps the run id in use until the service is gone
                wandb.teardown()
                self._online = False
                _remove(self._paths.wandb.glob(f"run-*-{run.run_id}"))
                _say(f"W&B does not answer ({type(error).__name__}); runs are written offline, `wandb sync` sends them")
        return self._init(run, "offline")

    def _init(self, run: Run, mode: Literal["online", "offline"]) -> "wandb.Run":
        return wandb.init(
            project=self._settings.project,
            entity=self._settings.entity,
            dir=self._paths.root,
            id=run.run_id,
            name=run.name,
            group=run.group,
            job_type="sweep",
            tags=run.tags,
            config=run.config,
            reinit="create_new",
            settings=_settings(mode, self._settings.answer_seconds),
        )


def _settings(mode: Literal["online", "offline"], answer_seconds: float) -> "wandb.Settings":
    """Made anew for each run: `wandb.init` changes the ones that it is given."""
    return wandb.Settings(
        mode=mode,
        silent=True,
        console="off",
        init_timeout=answer_seconds,
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        save_code=False,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)


def _wait(stop: Callable[[], bool]) -> None:
    ends = time.monotonic() + POLL_SECONDS
    while time.monotonic() < ends and not stop():
        time.sleep(0.05)


def _say(text: str) -> None:
    """To the log of the writer, which is where standard error goes."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _end_of_input() -> Callable[[], bool]:
    """True once the parent has closed its end of the pipe, or is gone."""
    over = threading.Event()

    def read() -> None:
        sys.stdin.buffer.read()
        over.set()

    threading.Thread(target=read, daemon=True).start()
    return over.is_set


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--mode", type=click.Choice(["auto", "online", "offline", "disabled"]), default="auto", show_default=True)
@click.option("--project", required=True)
@click.option("--entity")
@click.option("--answer-seconds", type=float, default=30.0, show_default=True, help="Then runs are written offline.")
@click.option("--follow", is_flag=True, help="Go on until standard input ends.")
def main(results: Path, mode: Mode, project: str, entity: str | None, answer_seconds: float, follow: bool) -> None:
    """Write the finished trials of RESULTS as W&B runs, each once."""
    stop = _end_of_input() if follow else lambda: True
    written = write_runs(ResultsPaths(results), WandbSettings(mode, project, entity, answer_seconds), stop)
    _say(f"{written} runs written")


if __name__ == "__main__":
    main()
