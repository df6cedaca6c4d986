"""From the journal to `predictions.parquet` and `examples.parquet`: parts that are written once, and a table of examples.

A part is put in place, then `checksums.json` lists it, then the journal forgets what it has: whoever kills us between two of
these, nothing is lost and nothing is there twice. For the one who holds the results' lock.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults
from orchestrator.store.files import reading
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.parts import (
    Answered,
    Part,
    PartTrial,
    parts_in,
    refuse_changed,
    rows_of,
    write_part,
)
from orchestrator.store.predictions.waiting import Attempt
from results_schema import EXAMPLES, VERSION
from trainables.data.files import remove_unfinished
from trainables.training.predictions import SplitExamples, unpacked_answers, unpacked_split

WORTH_A_PART: Final = 1 << 20
"""Rows that wait, from which on a sweep that runs writes a part of them: fewer would make many small files."""
_MOST: Final = 1 << 22
"""Rows of a part, at most; a single trial may have more."""
_SPLITS: Final = b"splits"
"""Key of the metadata of `examples.parquet`: how many test splits it has."""


@dataclass(frozen=True, slots=True)
class PartsWritten:
    """What became of the predictions that waited."""

    parts: tuple[str, ...]
    """All that make the table now, by name; to be listed once `examples.parquet` has their test splits, and before the
    journal forgets."""
    written: tuple[Attempt, ...]
    """Whose predictions they have, of those that waited."""
    superseded: tuple[str, ...]
    """Parts that others have taken the place of; to be removed once those are listed."""


def write_parts(journal: Journal, paths: ResultsPaths, listed: Sequence[str], *, everything: bool) -> PartsWritten:
    """Put what waits into parts. listed: those of before. everything: however little it is.

    Raises DamagedResults, OSError.
    """
    rows, waiting = next(journal.query("SELECT coalesce(sum(examples), 0), count(*) FROM waiting_predictions"))
    if not waiting or (rows < WORTH_A_PART and not everything):
        return PartsWritten(tuple(listed), (), ())
    remove_unfinished(paths.predictions)
    waits = _waiting(journal)
    parts, superseded = _settled(paths, listed, waits, journal.directory_id)
    there = {trial.whose for part in parts.values() for trial in part.trials}
    missing = [trial for trial in waits.values() if trial.examples and trial.whose not in there]
    names = [*parts, *(_new(journal, paths, trials) for trials in _portions(missing))]
    gone = tuple(name for name in superseded if name not in names)  # equal parts have one name
    return PartsWritten(tuple(names), tuple(trial.whose for trial in waits.values()), gone)


def _waiting(journal: Journal) -> dict[str, PartTrial]:
    """By trial; one without examples has none any more. Trials of one split stand together."""
    rows = journal.query(
        "SELECT trial_id, attempt, coalesce(split_id, ''), examples FROM waiting_predictions ORDER BY split_id, rowid"
    )
    return {trial_id: PartTrial(trial_id, *rest) for trial_id, *rest in rows}


def _settled(
    paths: ResultsPaths, listed: Sequence[str], waits: dict[str, PartTrial], directory_id: str
) -> tuple[dict[str, Part], list[str]]:
    """The parts to go on with, and those to be removed. Each trial stands in one, as it was tried last."""
    parts: dict[str, Part] = {}
    superseded: list[str] = []
    seen = set[str]()
    for name, part in (*_listed(paths, listed, directory_id), *_unlisted(paths, listed, directory_id)):
        stays = [
            one for one in part.trials if one.trial_id not in seen and waits.get(one.trial_id, one).whose == one.whose
        ]
        seen |= {trial.trial_id for trial in stays}
        if len(stays) == len(part.trials):
            parts[name] = part
            continue
        superseded.append(name)
        if stays:
            answers = rows_of(paths.predictions / name, {trial.trial_id for trial in stays})
            parts[write_part(paths.predictions, directory_id, stays, answers)] = Part(directory_id, tuple(stays))
    return parts, superseded


def _listed(paths: ResultsPaths, listed: Sequence[str], directory_id: str) -> Iterator[tuple[str, Part]]:
    for name in listed:
        try:
            yield name, Part.read(paths.predictions / name)
        except (DamagedResults, FileNotFoundError):  # `orch verify` tells of it
            yield name, Part(directory_id, ())


def _unlisted(paths: ResultsPaths, listed: Sequence[str], directory_id: str) -> Iterator[tuple[str, Part]]:
    """What was put in place, or was to be removed, by one who was killed before the list said so."""
    for name in sorted({*parts_in(paths.predictions)} - {*listed}):
        with suppress(DamagedResults, FileNotFoundError):
            refuse_changed(paths.predictions / name)
            part = Part.read(paths.predictions / name)
            if part.directory_id == directory_id:
                yield name, part


def _portions(trials: Iterable[PartTrial]) -> Iterator[list[PartTrial]]:
    portion: list[PartTrial] = []
    rows = 0
    for trial in trials:
        if portion and rows + trial.examples > _MOST:
            yield portion
            portion, rows = [], 0
        portion.append(trial)
        rows += trial.examples
    if portion:
        yield portion


def _new(journal: Journal, paths: ResultsPaths, trials: list[PartTrial]) -> str:
    return write_part(paths.predictions, journal.directory_id, trials, _answers(journal, trials))


def _answers(journal: Journal, trials: Iterable[PartTrial]) -> Iterator[tuple[PartTrial, Answered]]:
    for trial in trials:
        statement = "SELECT answers FROM waiting_predictions WHERE trial_id = ?"
        (packed,) = next(journal.query(statement, (trial.trial_id,)))
        try:
            yield trial, Answered(*unpacked_answers(packed, trial.examples))
        except (ValueError, TypeError) as error:
            raise DamagedResults(f"the journal's predictions of {trial.trial_id} are damaged: {error}") from error


# `examples.parquet`: every test split that the journal knows.


def lacks_splits(journal: Journal, path: Path) -> bool:
    """Whether `examples.parquet` has to be written: none is there, or one of fewer splits."""
    ((splits,),) = journal.query("SELECT count(*) FROM test_splits")
    return bool(splits) and splits != _splits_in(path)


def _splits_in(path: Path) -> int:
    try:
        with reading(path) as file:
            return int((pq.read_schema(file).metadata or {})[_SPLITS])
    except (OSError, KeyError, ValueError, DamagedResults, pa.ArrowException):
        return -1


def write_examples(journal: Journal, file: IO[bytes]) -> None:
    """Raises DamagedResults, OSError."""
    ((splits,),) = journal.query("SELECT count(*) FROM test_splits")
    metadata = {"results_version": str(VERSION), "about": EXAMPLES.about, _SPLITS: str(splits)}
    schema = EXAMPLES.schema.with_metadata(metadata)
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for split_id, examples, content in journal.query("SELECT split_id, examples, content FROM test_splits"):
            try:
                split = unpacked_split(content, examples)
            except (ValueError, TypeError) as error:
                raise DamagedResults(f"the journal's test split {split_id} is damaged: {error}") from error
            writer.write_table(_examples(split_id, split, schema))
    file.flush()
    os.fsync(file.fileno())


def _examples(split_id: str, split: SplitExamples, schema: pa.Schema) -> pa.Table:
    rows = len(split)
    columns = [
        pa.repeat(pa.scalar(split_id), rows),
        pa.array(np.arange(rows, dtype=np.int32)),
        pa.array(split.targets, pa.float32()),
        pa.nulls(rows, pa.int64()) if split.groups is None else pa.array(split.groups, pa.int64()),
        pa.array(split.sources, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def splits_of(examples: pa.Table) -> Iterator[tuple[str, SplitExamples]]:
    """The test splits in an `examples.parquet`, one after another. Raises DamagedResults where one is not whole."""
    positions = examples["position"].to_numpy()
    starts = np.flatnonzero(positions == 0).tolist()
    if not len(positions):
        return
    if not starts or starts[0] != 0:
        raise DamagedResults("its first test split has no beginning")
    seen = set[str]()
    for start, end in zip(starts, [*starts[1:], len(positions)], strict=True):
        split = examples.slice(start, end - start)
        (split_id, *others) = split["split_id"].unique().to_pylist()
        if others or split_id in seen or not np.array_equal(positions[start:end], np.arange(end - start)):
            raise DamagedResults(f"the examples of test split {split_id} are not those of one split")
        seen.add(split_id)
        groups = None if split["group"].null_count else split["group"].to_numpy()
        yield split_id, SplitExamples(split["target"].to_numpy(), groups, split["source"].to_pylist())
