"""The windows that a trial's net was watched on: a Parquet file that grows with each run, whole at every moment."""

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import DamagedResults, UserError
from orchestrator.store.files import content_of, is_plain, own_folder
from orchestrator.store.paths import ResultsPaths
from results_schema import MONITOR, VERSION
from trainables.columns import values_of
from trainables.data.files import being_written, open_to_append
from trainables.monitoring.row import MonitorRow

_APART: Final = 10.0
"""Seconds between two writes at least."""
_SHARE: Final = 20
"""Times what the last write took: a long history does not slow the windows."""


@dataclass
class KeptWindows:
    """Adds rows to what earlier runs have kept. Two runs at once wait for each other, and each keeps the other's rows."""

    trial_id: str
    path: Path
    rows: list[MonitorRow] = field(default_factory=list)
    """Not written yet."""
    _next: float = 0.0
    """When it may be written again."""

    @classmethod
    def of(cls, paths: ResultsPaths, trial_id: str) -> "KeptWindows":
        """Raises UserError where nothing can be written there, DamagedResults where something else than windows lies."""
        name = f"{trial_id}.parquet"
        if not is_plain(name):
            raise DamagedResults(f"{trial_id!r} is no trial's id")
        kept = cls(trial_id, own_folder(paths.monitor) / name)
        with kept._locked():
            kept._earlier()
        return kept

    def add(self, rows: Sequence[MonitorRow]) -> None:
        """Written some time later, or with `write`."""
        self.rows += rows
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Raises UserError where it cannot be written, DamagedResults."""
        if not self.rows:
            return
        began = time.monotonic()
        values = [{"trial_id": self.trial_id, **values_of(row)} for row in self.rows]
        schema = MONITOR.schema
        with self._locked():
            whole = pa.concat_tables([*self._earlier(), pa.Table.from_pylist(values, schema=schema)])
            whole = whole.replace_schema_metadata({"results_version": str(VERSION), "about": MONITOR.about})
            with _writable(self.path), being_written(self.path) as file:
                pq.write_table(whole, file, compression="zstd", write_page_checksum=True)
        self.rows.clear()
        took = time.monotonic() - began
        self._next = time.monotonic() + max(_APART, _SHARE * took)

    def _earlier(self) -> Iterator[pa.Table]:
        """What lies there, as one table or none, with the columns of this orch."""
        try:
            found = pq.read_table(pa.BufferReader(content_of(self.path)), page_checksum_verification=True)
        except FileNotFoundError:
            return iter(())
        except (pa.ArrowException, OSError) as damage:
            raise self._damaged(str(damage)) from damage
        columns = []
        for wanted in MONITOR.schema:
            if wanted.name in found.column_names and found.schema.field(wanted.name).type == wanted.type:
                columns.append(found.column(wanted.name))
            elif wanted.name not in found.column_names and wanted.nullable:  # of an older orch
                columns.append(pa.nulls(len(found), wanted.type))
            else:
                raise self._damaged(f"its column {wanted.name} is missing or of another type")
        return iter([pa.Table.from_arrays(columns, schema=MONITOR.schema)])

    def _damaged(self, what: str) -> DamagedResults:
        lines = what.splitlines() or ["it cannot be read"]
        return DamagedResults(f"{self.path} holds no windows of `orch monitor`: {lines[0]}; move it away")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _writable(self.path):
            lock = open_to_append(self.path.with_name(f".{self.path.name}.lock"))
        with lock:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        why = refused.strerror or repr(refused)
        raise UserError(f"the windows cannot be kept in {path}: {why}") from refused
