"""Looks at a results directory, one after another, as `orch status` reads it: without a lock, and nothing is left behind."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator.errors import OrchError
from orchestrator.evidence.selection import Measure, is_open
from orchestrator.grid.measures import stored_column
from orchestrator.results.status import Progress, RunningTrial, read_progress
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.store.reading import open_journal, results_at
from orchestrator.store.sealing.inspection import JournalFiles
from orchestrator.text import one_line
from orchestrator.watch.board import Axis, Board, Boards, axes_of
from orchestrator.watch.look import Counts, Curve, FailureLook, Look, Phase, SlotLook, State
from orchestrator.watch.tally import Tally

SLOTS_SHOWN: Final = 100
CURVES_SHOWN: Final = 24
"""Of trials that run."""
FAILURES_SHOWN: Final = 100
_REASON: Final = 2_000
"""Characters of a reason."""


class ResultsReader:
    """Makes a `Look` of a directory whenever it is asked. It may be there, or come, or go."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen = False
        self._tally = Tally()
        self._axes: tuple[Axis, ...] = ()
        self._making = Boards(self._tally, self._axes)
        self._boards: tuple[Board, ...] = ()
        self._open = True

    def stamp(self) -> tuple[object, ...]:
        """What differs once anything may have changed: the journal's files as they lie there, and the lock's note."""
        paths = ResultsPaths(self._root)
        try:
            journal = JournalFiles(journal_to_read(paths))
        except OrchError:  # which a look says
            journal = JournalFiles(paths.journal)
        return tuple(map(_state, (journal.main, journal.log, paths.lock_holder, paths.root)))

    def look(self) -> Look:
        """What stands there now; what cannot be read is said."""
        try:
            if not self._is_there():
                return self._nothing_there()
            paths = results_at(self._root)
            with closing(open_journal(paths)) as journal, journal.one_moment():
                found = self._read(paths, journal)
        except (OrchError, OSError) as error:
            return self._without("unreadable", str(error))
        self._seen = True
        return found

    def _is_there(self) -> bool:
        paths = ResultsPaths(self._root)
        return paths.journal.exists() or paths.table("trials").exists()

    def _nothing_there(self) -> Look:
        if self._seen:
            return self._without("removed", f"{self._root} was removed, or moved elsewhere")
        where = "has no journal yet" if self._root.is_dir() else "is not there yet"
        return self._without("absent", f"{self._root} {where}: a sweep makes it")

    def _without(self, state: State, message: str) -> Look:
        """Nothing is known but this; what was read before is not true any more."""
        self._tally, self._boards, self._axes = Tally(), (), ()
        return Look(one_line(self._root.name), str(self._root), datetime.now(UTC), state, message)

    def _read(self, paths: ResultsPaths, journal: Journal) -> Look:
        progress = read_progress(paths, journal, FAILURES_SHOWN)
        under_way = is_open(progress.counts)
        changed = self._tally.update(journal, progress.counts)
        if changed == "plan":
            self._axes = axes_of(self._tally)
            self._making = Boards(self._tally, self._axes)
        if changed is not None or under_way != self._open:
            self._open = under_way
            self._boards = self._making.now("validation" if under_way else "test")
        running = progress.running if progress.holder is not None else ()
        return Look(
            sweep=progress.sweep or self._root.name,
            results=str(self._root),
            at=datetime.now(UTC),
            state="running" if progress.holder is not None else "stopped" if progress.open else "ended",
            message=progress.sweeper,
            notes=tuple(_notes(progress)),
            counts=Counts(
                progress.counts,
                planned=progress.planned,
                done=progress.planned - progress.open,
                tuning=progress.tuning,
                unplanned=progress.unplanned,
            ),
            eta_seconds=progress.eta_seconds,
            slots=tuple(map(_slot, running[:SLOTS_SHOWN])),
            slots_left_out=max(0, len(running) - SLOTS_SHOWN),
            failures=tuple(
                FailureLook(one.trial_id, one.levels, one.name, one.status, one.reason[:_REASON], one.at)
                for one in progress.failures
            ),
            axes=self._axes,
            boards=self._boards,
            curves=tuple(self._curves(journal, running)),
        )

    def _curves(self, journal: Journal, running: tuple[RunningTrial, ...]) -> Iterator[Curve]:
        """Those that grow, then the best of each data set."""
        measures: Mapping[str, Measure] = {board.dataset: board.measure for board in self._boards}
        for trial in running[:CURVES_SHOWN]:
            if (measure := measures.get(trial.levels[0])) is not None:
                values = tuple(journal.by_epoch(trial.trial_id, stored_column(measure.epoch)))
                yield Curve(trial.trial_id, trial.levels, trial.name, True, values)
        for board in self._boards:
            for best in board.best:
                values = tuple(journal.by_epoch(best.trial_id, stored_column(board.measure.epoch)))
                yield Curve(best.trial_id, best.levels, "", False, values)


def _notes(progress: Progress) -> Iterator[str]:
    if progress.look is not None:
        yield str(progress.look)
    if progress.of_a_copy is not None:
        yield progress.of_a_copy


def _slot(trial: RunningTrial) -> SlotLook:
    phase: Phase = "preparing" if not trial.epoch else "evaluating" if trial.epoch == trial.epochs else "training"
    return SlotLook(
        slot=trial.slot or "",
        host=trial.host or "",
        trial_id=trial.trial_id,
        levels=trial.levels,
        name=trial.name,
        phase=phase,
        epoch=trial.epoch,
        epochs=trial.epochs,
        since=trial.since,
    )


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
