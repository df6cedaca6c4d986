"""Predictions and examples against their checksums, against each other, and against the trials that they are of."""

import shutil
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults
from orchestrator.store.files import irregularity, reading
from orchestrator.store.integrity.verdict import FileVerdict
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import Part, PartTrial, is_part, refuse_changed
from orchestrator.store.predictions.reading import examples_of, split_sizes
from orchestrator.store.predictions.writing import splits_of
from orchestrator.store.sql import columns_there
from orchestrator.store.tables import Checksums
from results_schema import EXAMPLES, PREDICTIONS

LOST: Final = "its trials no longer have predictions"
_NAMED: Final = 3
"""Trials that are named one by one."""


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """What the journal knows of predictions."""

    trials: Mapping[str, str | None]
    """By trial, the test split that its predictions are of; None where none are kept."""
    waiting: frozenset[str]
    """Trials whose predictions no part need have yet."""

    @classmethod
    def read(cls, db: sqlite3.Connection) -> Self:
        """Also of an older journal, which has none."""
        split = "split_id" if "split_id" in columns_there(db, "trials") else "NULL"
        trials = dict(db.execute(f"SELECT trial_id, {split} FROM trials"))
        waits = columns_there(db, "waiting_predictions")
        waiting = db.execute("SELECT trial_id FROM waiting_predictions") if waits else ()
        return cls(trials, frozenset(trial_id for (trial_id,) in waiting))

    def lacking(self, there: frozenset[str]) -> list[str]:
        """Trials that have had predictions and are not among these."""
        return sorted(
            trial_id
            for trial_id, split_id in self.trials.items()
            if split_id is not None and trial_id not in self.waiting and trial_id not in there
        )


def prediction_verdicts(paths: ResultsPaths, kept: KeptAnswers | None) -> Iterator[FileVerdict]:
    """kept: None where the journal cannot tell. Nothing is said of results that keep none."""
    try:
        known = Checksums.read(paths.checksums)
    except DamagedResults:  # of which others tell
        return
    sizes: Mapping[str, int] | None = {}
    if (examples := _examples(paths, known)) is not None:
        yield examples
        sizes = split_sizes(examples_of(paths)) if examples.intact else None
    if paths.predictions.is_symlink() or (paths.predictions.exists() and not paths.predictions.is_dir()):
        return  # of which `unexpected_paths` tells
    parts = _Parts(paths, known.parts, known.directory_id, kept, sizes)
    for name in parts.names():
        yield parts.verdict(name)
    if kept is not None and (lacking := kept.lacking(frozenset(parts.trials))) and not parts.unread:
        yield FileVerdict(PREDICTIONS_FOLDER, f"{_named(lacking)} had predictions, which are gone")


PREDICTIONS_FOLDER: Final = f"{PREDICTIONS.name}.parquet"


class _Parts:
    """Looks at one part after another, and remembers whose predictions were there."""

    def __init__(
        self,
        paths: ResultsPaths,
        listed: Collection[str],
        directory_id: str,
        kept: KeptAnswers | None,
        sizes: Mapping[str, int] | None,
    ) -> None:
        """listed: the parts that make the table. sizes: examples of each test split; None where that cannot be told."""
        self._paths, self._listed, self._kept, self._sizes = paths, listed, kept, sizes
        self._directory_id = directory_id
        self.trials: dict[str, str] = {}
        """Trial to the part that has its predictions."""
        self.unread = False
        """Whether a part could not be read, so that nobody knows whose predictions it has."""

    def names(self) -> list[str]:
        """Of all that is listed, or lies there, but for what is being written."""
        return sorted({*self._listed, *_visible(self._paths.predictions)})

    def verdict(self, name: str) -> FileVerdict:
        shown, path = f"{PREDICTIONS_FOLDER}/{name}", self._paths.predictions / name
        if name not in self._listed and not is_part(name):
            return FileVerdict(
                shown, "it is not one of the table's parts, but readers of the folder would take it for one"
            )
        try:
            refuse_changed(path)
            part = Part.read(path)
        except FileNotFoundError:
            self.unread = True
            return FileVerdict(shown, f"it is gone: {LOST}")
        except DamagedResults as error:
            self.unread |= name in self._listed
            return FileVerdict(shown, f"{_what(error)}: {LOST}")
        if name not in self._listed:
            return self._unlisted(shown, part)
        problem = self._problem(name, part) or _contradiction(path, part)
        rows = sum(trial.examples for trial in part.trials)
        return FileVerdict(shown, problem, "" if problem else f"{rows} rows of {len(part.trials)} trials")

    def _unlisted(self, shown: str, part: Part) -> FileVerdict:
        if self._directory_id not in ("", part.directory_id):
            return FileVerdict(
                shown, "it has predictions of other results, which readers of the folder would take for these"
            )
        return FileVerdict(shown, None, "not listed yet: a sweep takes it up, or removes it where others have its rows")

    def _problem(self, name: str, part: Part) -> str | None:
        for trial in part.trials:
            if (before := self.trials.setdefault(trial.trial_id, name)) != name:
                return f"trial {trial.trial_id} stands in {before} too"
            if (problem := self._of_trial(trial)) is not None:
                return problem
        return None

    def _of_trial(self, trial: PartTrial) -> str | None:
        if self._kept is not None and trial.trial_id not in self._kept.trials:
            return f"the journal does not know its trial {trial.trial_id}"
        if self._sizes is None:
            return None
        wanted = self._sizes.get(trial.split_id)
        if wanted is None:
            return f"the test split {trial.split_id} of its trial {trial.trial_id} is none of {EXAMPLES.name}.parquet"
        if wanted != trial.examples:
            return (
                f"its trial {trial.trial_id} has {trial.examples} predictions, and its test split {trial.split_id} has"
                f" {wanted} examples"
            )
        return None


def _visible(folder: Path) -> list[str]:
    """What a reader of the folder takes for a part."""
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _contradiction(path: Path, part: Part) -> str | None:
    """Whether the rows are of other trials than the part says; a row group is held at a time."""
    names = ["trial_id", "split_id", "position"]
    said = ((trial.trial_id, trial.split_id, position) for trial in part.trials for position in (0, trial.examples - 1))
    found: list[tuple[str, str, int]] = []
    with reading(path) as file:
        if not pq.read_schema(file).equals(PREDICTIONS.schema):
            return "its columns are not those of predictions"
        opened = pq.ParquetFile(file, read_dictionary=names[:2])
        if opened.metadata.num_rows != sum(trial.examples for trial in part.trials):
            return f"it has {opened.metadata.num_rows} rows, and says otherwise"
        for group in range(opened.metadata.num_row_groups):
            rows = opened.read_row_group(group, columns=names)
            position = rows["position"].to_numpy()
            starts = np.flatnonzero(position == 0)
            ends = np.append(starts[1:], len(position)) - 1
            if not np.array_equal(np.diff(position) == 1, ~np.isin(np.arange(1, len(position)), starts)):
                return "its positions do not count from 0 for each trial"
            edges = np.column_stack([starts, ends]).ravel()
            found += zip(*(rows[name].take(pa.array(edges)).to_pylist() for name in names), strict=True)
    return None if found == list(said) else "its rows are of other trials than it says"


# What `orch repair` does with them: nothing else has what a part had.


def set_damaged_aside(paths: ResultsPaths, journal: Journal, aside: Path) -> Iterator[str]:
    """List the parts that are whole and of this journal, move all others to `aside`, and have the journal know whose
    predictions are gone. What was done, line by line. Raises OSError.
    """
    known = Checksums()
    with suppress(DamagedResults):
        known = Checksums.read(paths.checksums)
    ours = [name for name in _visible(paths.predictions) if is_part(name)]
    sizes = dict(journal.query("SELECT split_id, examples FROM test_splits"))
    trials = dict(journal.query("SELECT trial_id, split_id FROM trials"))
    listed = known.parts if paths.checksums.exists() else tuple(sorted(ours))
    parts = _Parts(paths, listed, journal.directory_id, KeptAnswers(trials, frozenset()), sizes)
    stays = []
    for name in parts.names():
        verdict = parts.verdict(name)
        if verdict.intact and name in listed:
            stays.append(name)
        elif not verdict.intact:
            yield f"LOST {verdict.file}: {verdict.damage}"
            _move(paths.predictions / name, aside / PREDICTIONS_FOLDER / name)
    if stays or known.parts:
        replace(known, directory_id=journal.directory_id, parts=tuple(stays)).write(paths.checksums)
    there = {trial_id for trial_id, name in parts.trials.items() if name in stays}
    if gone := journal.give_up_predictions(there):
        yield f"LOST the predictions of {_named(gone)}, which no longer have any"


def _move(path: Path, target: Path) -> None:
    if path.exists() or path.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def _examples(paths: ResultsPaths, known: Checksums) -> FileVerdict | None:
    """None where there are none, and need not be."""
    path = paths.table(EXAMPLES.name)
    if (what := irregularity(path)) is not None:
        return FileVerdict(path.name, f"{what}; the journal has its rows")
    if not path.exists():
        absent = known.may_be_absent(path.name)
        return None if absent else FileVerdict(path.name, "it is gone; the journal has its rows")
    try:
        found = examples_of(paths)
        for _ in splits_of(found):
            continue
    except DamagedResults as error:
        return FileVerdict(path.name, f"{_what(error)}; the journal has its rows")
    return FileVerdict(path.name, None, f"{found.num_rows} rows")


def _what(error: DamagedResults) -> str:
    return str(error).partition(" is damaged: ")[2].rpartition(";")[0] or str(error)


def _named(trials: list[str]) -> str:
    more = f" and {len(trials) - _NAMED} more" if len(trials) > _NAMED else ""
    return f"{len(trials)} {'trial' if len(trials) == 1 else 'trials'} ({', '.join(trials[:_NAMED])}{more})"
