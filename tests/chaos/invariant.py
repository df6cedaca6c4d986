"""What has to hold after every fault, in one place."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress

import pandas as pd
import psutil

from orchestrator.store.reading import every_trial
from orchestrator.store.tables import read
from results_schema import TABLES, TRIAL_TABLES
from tests.chaos.figures import Figures, require
from tests.chaos.forked import Ended, orch
from tests.chaos.lab import Lab, measured
from tests.orchestrator import processes

CODES = frozenset({0, 1, 2, 3, 4, 5, 129, 130, 143})
"""The documented exit codes."""
LEFT_SECONDS = 10.0
"""Seconds after which no process of a sweep may be left."""


def finished(lab: Lab) -> dict[str, int]:
    """Trial id to attempts of what the journal has as finished now: it must never run again."""
    return processes.finished(lab.paths.journal)


def check_struck(lab: Lab) -> dict[str, int]:
    """Right after a fault, before anything goes on: the files are whole. What is finished, as `finished` has it."""
    check_files(lab)
    before = finished(lab)
    ended = {(trial_id, attempt) for what, trial_id, attempt in lab.witness() if what == "ended"}
    made_up = [trial for trial in before.items() if trial not in ended and trial[1]]
    require(not made_up, f"the journal says that trials are finished which never ended: {made_up}")
    return before


def check_whole(lab: Lab, before: dict[str, int], *, in_flight: int = 1) -> Figures:
    """After the sweep has gone on to its end. before: what was finished when the last fault struck.

    in_flight: trials that may have been running then, at most.
    """
    check_files(lab)
    trials = every_trial(lab.paths).to_pandas()
    planned = trials[trials["planned"]]
    lost = lab.reference.planned - set(planned["trial_id"])
    twice = len(trials) - trials["trial_id"].nunique()
    require(not lost, f"lost: {sorted(lost)}")
    require(twice == 0, f"{twice} trials have two rows")
    require(set(planned["trial_id"]) == lab.reference.planned, "trials that nobody has planned")
    require(set(planned["status"]) == {"completed"}, f"ended as {dict(planned['status'].value_counts())}")
    _check_metrics(lab, planned)
    attempts = dict(zip(trials["trial_id"], trials["attempts"], strict=True))
    again = [trial_id for trial_id, count in before.items() if attempts[trial_id] != count]
    require(not again, f"finished trials ran again: {again}")
    return Figures(**_repeated(lab, before, in_flight))


def check_files(lab: Lab) -> None:
    """Every file that is there is whole, down to its checksums."""
    if not lab.paths.journal.exists():
        return
    # killed while SQLite made the file, before any row: what it has to undo, it undoes when it may write
    unmade = lab.paths.journal.with_name(f"{lab.paths.journal.name}-journal").exists()
    with closing(sqlite3.connect(f"{lab.paths.journal.as_uri()}?mode={'rw' if unmade else 'ro'}", uri=True)) as db:
        verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
        require(verdict == "ok", f"the journal is damaged: {verdict}")
    verified = orch(lab.folder, "verify", str(lab.results))
    require(verified.code == 0, f"orch verify ends with {verified.code}: {verified.output}{verified.errors}")
    for table in TABLES:
        with suppress(FileNotFoundError):
            rows = read(table, lab.paths).to_pandas()
            require(not rows.duplicated(list(table.key)).any(), f"{table.name} has a row twice")
            if table in TRIAL_TABLES:
                require(set(rows["trial_id"]) <= lab.reference.planned, "trials that nobody has planned")


def check_end(ended: Ended, codes: Iterable[int], *said: str) -> None:
    """The exit code is one of those documented for the fault, and the last line says what happened and what to do."""
    codes = set(codes)
    assert codes <= CODES
    message = f"it said: {ended.errors[-2000:]}"
    require(ended.code in codes, f"exit code {ended.code} in place of {sorted(codes)}; {message}")
    require("Traceback" not in ended.errors, f"a traceback; {message}")
    for words in said:
        require(words in ended.last_line, f"{words!r} is not in the last line; {message}")


def seconds_to_leave(processes: Iterable[psutil.Process]) -> float:
    """Seconds until the processes have gone. Ends those that have not after LEFT_SECONDS."""
    began = time.monotonic()
    _, alive = psutil.wait_procs(list(processes), timeout=LEFT_SECONDS)
    left = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    names = [f"{process.name()} ({process.pid})" for process in left]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    require(not left, f"left after {LEFT_SECONDS:g} s: {names}")
    return time.monotonic() - began


def _check_metrics(lab: Lab, planned: pd.DataFrame) -> None:
    ours, theirs = measured(planned), lab.reference.metrics
    done = ours.index[ours["status"] == "completed"].intersection(theirs.index)
    different = [trial_id for trial_id in done if not ours.loc[trial_id].equals(theirs.loc[trial_id])]
    require(not different, f"metrics differ from the undisturbed run: {different}")


def _repeated(lab: Lab, before: dict[str, int], in_flight: int) -> dict[str, int]:
    """How many trials ran again, and why that was allowed."""
    began, ended = Counter[str](), Counter[str]()
    for what, trial_id, _ in lab.witness():
        (began if what == "began" else ended)[trial_id] += 1
    window = [trial_id for trial_id, count in ended.items() if count > 1]
    cut = [trial_id for trial_id, count in began.items() if count > ended[trial_id]]
    require(not set(window) & set(before), f"finished trials ran again: {sorted(set(window) & set(before))}")
    require(len(cut) <= in_flight, f"{len(cut)} trials were cut off, where at most {in_flight} ran")
    return {"window": len(window), "in_flight": len(cut)}
