"""Tables, and what trials have left, against their checksums."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults, OrchError
from orchestrator.store import tables
from orchestrator.store.checksums import Checksums, KeptFile
from orchestrator.store.files import digest_of, reading, strange
from orchestrator.store.inspection import JournalFiles, inspect
from orchestrator.store.names import link_on_the_way
from orchestrator.store.origin import table_version
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_to_read
from orchestrator.upkeep.image import opened
from orchestrator.upkeep.verdict import FileVerdict
from results_schema import TABLES, TRIAL_TABLES, TRIALS, Table

_WITH_CHECKSUMS: Final = 4
"""Version of the results from which on an export writes checksums before its tables."""


def has_checksums(paths: ResultsPaths) -> bool:
    """Whether an orch has finished an export here that seals what it writes. What an older one left has no checksums,
    and neither has what a sweep left that was killed before.
    """
    written = any((table_version(paths.table(table.name)) or 0) >= _WITH_CHECKSUMS for table in TABLES)
    return written or paths.checksums.exists()


def table_verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    must = has_checksums(paths)
    try:
        known = Checksums.read(paths.checksums)
    except DamagedResults:
        damage = strange(paths.checksums) or "it is not as it was written"
        yield FileVerdict(paths.checksums.name, f"{damage}: nothing vouches for tables and weights")
        return
    if paths.checksums.exists():
        yield FileVerdict(paths.checksums.name, None)
    elif must:
        yield FileVerdict(paths.checksums.name, "it is gone: nothing vouches for tables and weights")
    ids = _journal_ids(paths)
    for table in TABLES:
        path = paths.table(table.name)
        if (what := strange(path)) is not None:
            yield FileVerdict(path.name, f"{what}; the journal has its rows")
        elif path.exists():
            found = _table(table, paths, known, ids)
            if not found.whole and (later := _journal_ids(paths)) != ids:  # a sweep has planned trials since
                found = _table(table, paths, known, later)
            yield found
        elif not known.may_be_absent(path.name):
            yield FileVerdict(path.name, "it is gone; the journal has its rows")


def kept_verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    try:
        known = Checksums.read(paths.checksums).kept
    except DamagedResults:
        return
    for name, kept in known.items():
        yield _kept(paths, name, kept)


def _kept(paths: ResultsPaths, name: str, kept: KeptFile) -> FileVerdict:
    path = paths.root / name
    what = "weights" if name.startswith("weights/") else "picture" if name.startswith("pictures/") else "copy"
    if (link := link_on_the_way(paths.root, name)) is not None:
        return FileVerdict(name, f"{link} is no folder of these results: the {what} cannot be trusted")
    if (other := strange(path)) is not None:
        return FileVerdict(name, f"{other}: the {what} cannot be had again without running the trial")
    if not path.exists():
        return FileVerdict(name, f"it is gone: the {what} cannot be had again without running the trial")
    if digest_of(path) == kept.digest:
        return FileVerdict(name, None)
    try:
        renewed = Checksums.read(paths.checksums).kept.get(name) != kept
    except DamagedResults:
        renewed = False
    return FileVerdict(name, None if renewed else f"it is not as it was written: the {what} cannot be trusted")


def _table(table: Table, paths: ResultsPaths, known: Checksums, ids: set[str] | None) -> FileVerdict:
    path = paths.table(table.name)
    try:
        found = tables.read(table, paths)
    except DamagedResults as error:
        what = str(error).partition(" is damaged: ")[2].rpartition(";")[0]
        return FileVerdict(path.name, f"{what}; the journal has its rows")
    missing = [name for name in table.columns if name not in found.column_names]
    lacking = [name for name in missing if not table.schema.field(name).nullable]
    if lacking:
        return FileVerdict(path.name, f"it has no column {lacking[0]}; the journal has its rows")
    if ids is not None and "trial_id" in table.columns:
        strange = set(pc.unique(found["trial_id"]).to_pylist()) - ids
        if strange:
            return FileVerdict(path.name, f"the journal does not know its trial {min(strange)}")
    unknown = "" if path.name in known.tables else ", no checksum yet: a sweep or `orch repair` writes it"
    older = ", older than the journal: the next sweep writes it anew" if _is_older(table, paths, ids) else ""
    return FileVerdict(path.name, None, f"{found.num_rows} rows{unknown}{older}")


def _is_older(table: Table, paths: ResultsPaths, ids: set[str] | None) -> bool:
    """Whether the tables of trials, told of at the first of them, have not all trials yet."""
    return (
        table is TRIALS and ids is not None and sum(_rows(paths.table(each.name)) for each in TRIAL_TABLES) < len(ids)
    )


def _rows(path: Path) -> int:
    """None of one that is damaged, of which more is told there."""
    try:
        with reading(path) as file:
            return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError, OrchError):
        return 0


def _journal_ids(paths: ResultsPaths) -> set[str] | None:
    """Of all trials; None where the journal cannot tell."""
    try:
        newest = journal_to_read(paths)
        if inspect(JournalFiles(newest)).troubles:
            return None
        with closing(opened(paths, newest)) as db:
            return {trial_id for (trial_id,) in db.execute("SELECT trial_id FROM trials")}
    except Exception:  # noqa: BLE001 - said of the journal itself
        return None
