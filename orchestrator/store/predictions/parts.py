"""A part of `predictions`: a Parquet file with the rows of some trials, which never changes. Its name is its checksum."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchestrator.errors import DamagedResults
from orchestrator.store.files import damaged, digest_of, irregularity, reading
from orchestrator.store.predictions.waiting import Attempt
from results_schema import PREDICTIONS, VERSION
from trainables.data.files import durable, unfinished

_PART: Final = re.compile(r"part-([0-9a-f]{32})\.parquet")
_TRIALS: Final = b"trials"
"""Key of the file's metadata: whose rows it has, in their order."""
_OF: Final = b"directory_id"
ROWS: Final = 1 << 17
"""Rows that make a row group, at least: what a reader and a writer hold. A trial's rows are in one group."""


class PartTrial(NamedTuple):
    """A trial whose predictions a part has."""

    trial_id: str
    attempt: int
    split_id: str
    examples: int

    @property
    def whose(self) -> Attempt:
        return Attempt(self.trial_id, self.attempt)


class Answered(NamedTuple):
    """What one trial said, each (examples,)."""

    predicted: NDArray[np.float32]
    probability: NDArray[np.float32] | None


Answers = Iterable[tuple[PartTrial, Answered]]


def is_part(name: str) -> bool:
    """Whether a file within `predictions.parquet` is called as a part is."""
    return _PART.fullmatch(name) is not None


def parts_in(folder: Path) -> list[str]:
    """The names of all parts there, listed or not."""
    return sorted(path.name for path in folder.iterdir() if is_part(path.name)) if folder.is_dir() else []


class Part(NamedTuple):
    """What a part says of itself."""

    directory_id: str
    """Of the results that it was written for."""
    trials: tuple[PartTrial, ...]

    @classmethod
    def read(cls, path: Path) -> "Part":
        """Raises DamagedResults, FileNotFoundError."""
        with reading(path) as file:
            try:
                return _of(pq.read_schema(file))
            except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
                raise damaged(path, f"it is not a part of these predictions: {error}", path.parent.parent) from error


def refuse_changed(path: Path) -> None:
    """Raises DamagedResults where a part is not what its name says, FileNotFoundError."""
    if (what := irregularity(path)) is not None:
        raise damaged(path, what, path.parent.parent)
    named = _PART.fullmatch(path.name)
    if named is None or digest_of(path) != named[1]:
        raise damaged(path, "it is not as it was written", path.parent.parent)


def write_part(folder: Path, directory_id: str, trials: Sequence[PartTrial], answers: Answers) -> str:
    """Return the name of a new part, in place and durable. answers: of these trials, in their order. Raises OSError."""
    folder.mkdir(exist_ok=True)
    with unfinished(folder / "part.parquet") as file:
        _write(file, directory_id, trials, answers)
        name = f"part-{digest_of(Path(file.name))}.parquet"
        Path(file.name).replace(folder / name)
        durable(folder)
        durable(folder.parent)
    return name


def rows_of(path: Path, wanted: set[str]) -> Iterator[tuple[PartTrial, Answered]]:
    """What a part has of trials, one after another; a row group is held at a time. Raises DamagedResults."""
    with reading(path) as file:
        try:
            opened = pq.ParquetFile(file)
            yield from _rows(opened, _of(opened.schema_arrow).trials, wanted)
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            raise damaged(path, " ".join(str(error).split()), path.parent.parent) from error


def _rows(
    opened: pq.ParquetFile, trials: Sequence[PartTrial], wanted: set[str]
) -> Iterator[tuple[PartTrial, Answered]]:
    group, start, ends = -1, 0, 0
    columns: dict[str, NDArray[Any]] = {}
    for trial in trials:
        if start == ends:  # the next row group: none divides a trial's rows
            group, start, columns = group + 1, 0, {}
            ends = opened.metadata.row_group(group).num_rows
        if trial.trial_id in wanted:
            columns = columns or _columns(opened, group)
            rows = slice(start, start + trial.examples)
            if not np.array_equal(columns["position"][rows], np.arange(trial.examples)):
                raise ValueError(f"the positions of {trial.trial_id} are not those of a test split")
            probability = columns["probability"][rows]
            missing = bool(np.isnan(probability).all())
            yield trial, Answered(columns["predicted"][rows], None if missing else probability)
        start += trial.examples


def _columns(opened: pq.ParquetFile, group: int) -> dict[str, NDArray[Any]]:
    names = ["position", "predicted", "probability"]
    found = opened.read_row_group(group, columns=names)
    return {name: found[name].to_numpy() for name in names}


def _of(schema: pa.Schema) -> Part:
    metadata = schema.metadata or {}
    trials = tuple(PartTrial(*one) for one in json.loads(metadata[_TRIALS]))
    if not all(map(_is_sensible, trials)):
        raise ValueError("its list of trials is none")
    return Part(metadata[_OF].decode(), trials)


def _is_sensible(trial: PartTrial) -> bool:
    texts = isinstance(trial.trial_id, str) and isinstance(trial.split_id, str)
    return texts and type(trial.attempt) is int and type(trial.examples) is int and trial.examples > 0


def _write(file: IO[bytes], directory_id: str, trials: Sequence[PartTrial], answers: Answers) -> None:
    metadata = {
        "results_version": str(VERSION),
        "about": PREDICTIONS.about,
        _OF: directory_id.encode(),
        _TRIALS: json.dumps(trials).encode(),
    }
    schema = PREDICTIONS.schema.with_metadata(metadata)
    writer = pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        write_page_checksum=True,
        use_dictionary=["trial_id", "split_id", "predicted"],
        column_encoding={"position": "DELTA_BINARY_PACKED", "probability": "BYTE_STREAM_SPLIT"},
    )
    with writer:
        tables: list[pa.Table] = []
        for trial, answered in answers:
            tables.append(_table(trial, answered, schema))
            if sum(table.num_rows for table in tables) >= ROWS:
                _write_group(writer, tables)
        if tables:
            _write_group(writer, tables)
    file.flush()
    os.fsync(file.fileno())


def _write_group(writer: pq.ParquetWriter, tables: list[pa.Table]) -> None:
    group = pa.concat_tables(tables)
    writer.write_table(group, row_group_size=group.num_rows)
    tables.clear()


def _table(trial: PartTrial, answered: Answered, schema: pa.Schema) -> pa.Table:
    rows = trial.examples
    if len(answered.predicted) != rows:
        raise DamagedResults(
            f"the journal has {len(answered.predicted)} predictions of {trial.trial_id}, and not {rows}"
        )
    probability = answered.probability
    columns = [
        pa.repeat(pa.scalar(trial.trial_id), rows),
        pa.repeat(pa.scalar(trial.split_id), rows),
        pa.array(np.arange(rows, dtype=np.int32)),
        pa.array(answered.predicted, pa.float32()),
        pa.nulls(rows, pa.float32()) if probability is None else pa.array(probability, pa.float32()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)
