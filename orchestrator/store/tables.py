"""From the journal to Parquet: whole files, each in place at once, checked against results_schema."""

from __future__ import annotations  # pyarrow.compute takes 60 ms, and only a type of it is needed here

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults
from orchestrator.store import sql
from orchestrator.store.files import content_of, damaged, digest_of, irregularity
from orchestrator.store.journal import Journal
from orchestrator.store.paths import KEPT, OLDER_JOURNALS, ResultsPaths, may_be_kept
from orchestrator.store.predictions.parts import is_part
from orchestrator.store.predictions.waiting import Attempt
from orchestrator.store.predictions.writing import lacks_splits, write_examples, write_parts
from orchestrator.store.version import carried_over, holds_every_trial
from results_schema import ENDED, EXAMPLES, TABLES, TRAINED_NET, TRIAL_TABLES, TRIALS, VERSION, Table
from trainables.data.files import durable, remove_unfinished, replace_whole, unfinished

if TYPE_CHECKING:
    import pyarrow.compute as pc

# `checksums.json`: what the tables and the kept files of a results directory have to be, bit for bit (ADR 8).

ABSENT: Final = "absent"
"""In place of a table's digest: it may as well not be there yet."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that a trial has left: its weights, its image."""

    digest: str
    attempt: int
    """The attempt that wrote it: a later one writes it anew."""


@dataclass(frozen=True, slots=True)
class Checksums:
    """Digests by file name within the results directory."""

    directory_id: str = ""
    """Of the journal, which may have to be rebuilt."""
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More than one while an export puts its files in place: the file is the old one, or `ABSENT`, or the new one."""
    kept: Mapping[str, KeptFile] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    """Those that make `predictions.parquet`: the name of each is its checksum."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Empty where there are none: an older orch wrote none. Raises DamagedResults."""
        try:
            text = content_of(path)
        except FileNotFoundError:
            return cls()
        try:
            content = json.loads(text)["content"]
            parts = content.get("parts", [])
            found = cls(
                content["directory_id"],
                {name: tuple(digests) for name, digests in content["tables"].items()},
                {name: KeptFile(*values) for name, values in content["kept"].items()},
                tuple(parts),
            )
            right = found._text() == text and found._is_sensible()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            right = False
        if not right:
            raise damaged(path, "it is not as it was written", path.parent)
        return found

    def write(self, path: Path) -> None:
        replace_whole(self._text(), path)

    def may_become(self, tables: Mapping[str, str], root: Path) -> Self:
        """Each of these tables is as it is now in `root`, or has this digest; others stay. Raises OSError."""
        both = {
            name: tuple(dict.fromkeys((*self._allowed_now(root / name), digest))) for name, digest in tables.items()
        }
        return replace(self, tables={**self.tables, **both})

    def with_tables(self, tables: Mapping[str, str]) -> Self:
        """Each of these tables has this digest; others stay."""
        return replace(self, tables={**self.tables, **{name: (digest,) for name, digest in tables.items()}})

    def may_be_absent(self, table: str) -> bool:
        return ABSENT in self.tables.get(table, (ABSENT,))

    def _allowed_now(self, path: Path) -> tuple[str, ...]:
        if not path.exists():
            return (ABSENT,)
        return self.tables.get(path.name) or (digest_of(path),)  # an older orch wrote it, and no digests

    def _is_sensible(self) -> bool:
        """Whoever wrote it may have given it a right checksum: each value is of its type, and each name is one of orch's."""
        digests = [*chain.from_iterable(self.tables.values()), *(kept.digest for kept in self.kept.values())]
        texts = all(isinstance(text, str) for text in (self.directory_id, *digests))
        attempts = all(type(kept.attempt) is int for kept in self.kept.values())
        return texts and attempts and all(map(may_be_kept, self.kept)) and all(map(is_part, self.parts))

    def _text(self) -> bytes:
        kept = {name: [kept.digest, kept.attempt] for name, kept in sorted(self.kept.items())}
        values = {"directory_id": self.directory_id, "tables": dict(self.tables), "kept": kept}
        content = json.dumps(values | ({"parts": list(self.parts)} if self.parts else {}))
        digest = blake2b(content.encode(), digest_size=16).hexdigest()
        return f'{{"checksum": "{digest}", "content": {content}}}\n'.encode()


# Which files the trials of a results directory have left, and their digests.


def kept_files(journal: Journal, paths: ResultsPaths, known: Mapping[str, KeptFile]) -> dict[str, KeptFile]:
    """Of all trials that have ended. A file is read once: what befalls it later must not become its checksum."""
    attempts = {
        trial_id: int(attempt)
        for trial_id, status, attempt in journal.query("SELECT trial_id, status, attempts FROM trials")
        if status in ENDED
    }
    found = {}
    for trial_id, path in _files(paths):
        name = path.relative_to(paths.root).as_posix()
        before = known.get(name)
        if before is not None and before.attempt == attempts.get(trial_id):
            found[name] = before
        elif trial_id in attempts:
            found[name] = KeptFile(digest_of(path), attempts[trial_id])
    gone = {name: kept for name, kept in known.items() if attempts.get(Path(name).stem) == kept.attempt}
    return {**gone, **found}


def older_journals(paths: ResultsPaths, known: Mapping[str, KeptFile]) -> dict[str, KeptFile]:
    """The copies of journals that were carried over from older versions (ADR 6)."""
    copies = sorted(path for path in paths.root.glob(OLDER_JOURNALS) if irregularity(path) is None)
    gone = {name: kept for name, kept in known.items() if "/" not in name}
    return {**{copy.name: KeptFile(digest_of(copy), 0) for copy in copies if copy.name not in gone}, **gone}


def _files(paths: ResultsPaths) -> Iterator[tuple[str, Path]]:
    for name in KEPT:
        folder = paths.root / name
        if folder.is_dir() and not folder.is_symlink():
            for path in folder.iterdir():
                if may_be_kept(f"{name}/{path.name}") and irregularity(path) is None:
                    yield path.stem, path


ROWS_AT_ONCE: Final = 2_000
"""Rows that are Python's objects at one time: each of its values takes three times what it takes in Arrow."""
BATCHES: Final = 25
"""Batches of so many rows that make a row group: what an export holds in memory."""


def export(
    journal: Journal, paths: ResultsPaths, check: Callable[[], None] = lambda: None, *, everything: bool = True
) -> tuple[Attempt, ...]:
    """Write every table anew, and predictions that wait as parts of theirs. A reader sees the old file or the new one, never
    half of one. Return the attempts whose predictions stand in parts now: the journal need not have them any more.

    check: raises where they must not be put in place any more. everything: also predictions that are too few for a part
    while a sweep runs.

    The checksums allow both before the first is in place, and only the new ones once all are: whoever kills us, no table
    that is intact is taken for damaged. For the one who holds the results' lock. Raises DamagedResults, OSError.
    """
    known = Checksums.read(paths.checksums)
    remove_unfinished(paths.root)
    with ExitStack() as written:
        files = {table.name: written.enter_context(unfinished(paths.table(table.name))) for table in TABLES}
        with journal.one_moment():
            for table in TABLES:
                _write(table, journal, files[table.name])
            kept = {**kept_files(journal, paths, known.kept), **older_journals(paths, known.kept)}
            directory_id = journal.directory_id
            check()
            new = write_parts(journal, paths, known.parts, everything=everything)
            examples = paths.table(EXAMPLES.name)
            if (everything or new.written) and lacks_splits(journal, examples):
                files[EXAMPLES.name] = written.enter_context(unfinished(examples))
                write_examples(journal, files[EXAMPLES.name])
        digests = {paths.table(name).name: digest_of(Path(file.name)) for name, file in files.items()}
        known = replace(known, directory_id=directory_id, kept=kept)
        check()
        known.may_become(digests, paths.root).write(paths.checksums)
        for name, file in files.items():
            Path(file.name).replace(paths.table(name))
        durable(paths.root)
        # parts are listed once the examples that they are of are in place
        replace(known, parts=new.parts).with_tables(digests).write(paths.checksums)
    for name in new.superseded:
        (paths.predictions / name).unlink(missing_ok=True)
    return new.written


def read(
    table: Table, paths: ResultsPaths, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> pa.Table:
    """A table as it was exported, its checksums verified; one of an older orch with the columns of this one that follow from
    its own. columns: those of it that are wanted, where not all are. where: which rows.

    Raises DamagedResults, FileNotFoundError.
    """
    path = paths.table(table.name)
    content = pa.BufferReader(intact_content(path, paths))
    try:
        written = pq.read_schema(content)
        if (what := _other_than_declared(table, written)) is not None:
            raise damaged(path, what, paths.root)
        if table is TRIALS and holds_every_trial(written):
            found = carried_over(pq.read_table(content, page_checksum_verification=True))
            return found if where is None else found.filter(where)
        there = None if columns is None else [name for name in columns if name in written.names]
        found = pq.read_table(content, columns=there, filters=where, page_checksum_verification=True)
        lacking = [name for name in TRAINED_NET if name not in written.names and name in (columns or TRAINED_NET)]
        return _of_trained_nets(found, lacking) if table in TRIAL_TABLES else found
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, " ".join(str(error).split()), paths.root) from error


def _of_trained_nets(trials: pa.Table, lacking: Sequence[str]) -> pa.Table:
    """Trials, those of an orch that only trained with the columns that they lack."""
    for name in lacking:
        trials = trials.append_column(name, pa.array([TRAINED_NET[name]] * len(trials), pa.string()))
    return trials


def _other_than_declared(table: Table, written: pa.Schema) -> str | None:
    """In a table without a checksum, its own account of its columns has none either."""
    for wanted in table.schema:
        if wanted.name not in written.names:
            if not wanted.nullable:
                return f"it has no column {wanted.name}"
        elif written.field(wanted.name).type != wanted.type:
            return f"{wanted.name} is {written.field(wanted.name).type}"
    return None


def intact_content(path: Path, paths: ResultsPaths) -> bytes:
    """Of a table that is as it was written. Raises DamagedResults, FileNotFoundError."""
    while True:
        known = Checksums.read(paths.checksums)
        content = content_of(path)
        right = known.tables.get(path.name)
        if right is None or blake2b(content, digest_size=16).hexdigest() in right:
            return content
        if Checksums.read(paths.checksums) == known:  # else an export went on between our two looks
            raise damaged(path, "it is not as it was written", paths.root)


def refuse_damaged_tables(paths: ResultsPaths) -> None:
    """For a sweep that begins: it would write them anew, and nobody would learn of it.

    Raises DamagedResults, UserError and InfrastructureLost where one cannot be read.
    """
    for table in (*TABLES, EXAMPLES):
        with suppress(FileNotFoundError):
            intact_content(paths.table(table.name), paths)


def _write(table: Table, journal: Journal, file: IO[bytes]) -> None:
    schema = table.schema.with_metadata({"results_version": str(VERSION), "about": table.about})
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        batches = (checked_rows(table, rows, schema) for rows in _batches(journal, table))
        while group := list(islice(batches, BATCHES)):
            writer.write_table(pa.concat_tables(group))
    file.flush()
    os.fsync(file.fileno())


def _batches(journal: Journal, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    rows = journal.query(sql.select(table))
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def checked_rows(table: Table, rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as Arrow. Raises DamagedResults where a value is missing or of another type."""
    columns = [_column(table, values, field) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    for column, wanted in zip(columns, schema, strict=True):
        if column.null_count and not wanted.nullable:
            raise DamagedResults(f"the journal has no {wanted.name} for {column.null_count} rows of {table.name}")
    return pa.Table.from_arrays(columns, schema=schema)


def _column(table: Table, values: tuple[Any, ...], field: pa.Field) -> pa.Array:
    try:
        return sql.to_arrow(values, field)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DamagedResults(f"the journal's {field.name} in {table.name} is damaged: {error}") from error
