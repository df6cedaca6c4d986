"""Parquet tables: of the declared schema, whole at any moment, and checked when they are read."""

import threading
from contextlib import closing
from errno import EIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import DamagedResults
from orchestrator.store import tables
from orchestrator.store.integrity.verify import table_verdicts
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export, read
from results_schema import (
    OF_MEASUREMENTS,
    TABLES,
    THRESHOLDS,
    TRIAL_TABLES,
    TRIALS,
    VERSION,
    Table,
)
from tests.orchestrator import sample


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return sample.write_sample(tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_the_declared_schema(paths: ResultsPaths, table: Table) -> None:
    written = pq.read_schema(paths.table(table.name))
    assert written.remove_metadata().equals(table.schema.remove_metadata())
    assert all(written.field(name).metadata == table.schema.field(name).metadata for name in table.columns)
    assert written.metadata[b"results_version"] == str(VERSION).encode()
    assert bool(read(table, paths).num_rows) == (table not in (*TRIAL_TABLES[1:], THRESHOLDS, *OF_MEASUREMENTS)), (
        "the sample has no such"
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_sweep_without_rows_has_tables_without_rows(tmp_path: Path, table: Table) -> None:
    paths = ResultsPaths(tmp_path)
    journal = Journal.create_or_open(paths.journal)
    export(journal, paths)
    journal.close()
    frame = pd.read_parquet(paths.table(table.name))
    assert list(frame.columns) == table.columns
    assert frame.empty


def test_rows_are_brought_over_in_batches_and_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sample.write_sample(tmp_path)
    whole = {table.name: read(table, paths) for table in TABLES}
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(tables, "BATCHES", 3)
    journal = Journal.read(paths.journal)
    export(journal, paths)
    journal.close()
    for table in TABLES:
        again = read(table, paths)
        assert again.equals(whole[table.name])
        assert pq.ParquetFile(paths.table(table.name)).num_row_groups == -(-again.num_rows // 6)


def test_pandas_reads_what_happened(paths: ResultsPaths) -> None:
    trials = pd.read_parquet(paths.table("trials"))
    assert trials["trial_id"].is_unique
    assert trials["status"].value_counts().to_dict() == {
        "completed": 6,
        "skipped": 2,
        "diverged": 1,
        "failed": 1,
        "out_of_memory": 1,
        "cancelled": 1,
    }
    best = trials.sort_values("test_accuracy", na_position="first").iloc[-1]
    assert (best["model"], best["test_accuracy"], best["epochs"]) == ("cnn", 0.99, 3)
    assert str(trials["started_at"].dtype).startswith("datetime64[us, UTC")
    assert best["started_at"] == pd.Timestamp(sample.BEGIN) + pd.Timedelta(minutes=5)
    assert trials["planned"].dtype == bool


def test_nan_and_infinity_of_a_diverged_trial_arrive(paths: ResultsPaths) -> None:
    epochs = read(sample_table("epochs"), paths).to_pandas()
    diverged = epochs[epochs["val_loss"] == float("inf")]
    assert len(diverged) == 1
    assert diverged["train_loss"].isna().all()


def sample_table(name: str) -> Table:
    return next(table for table in TABLES if table.name == name)


@pytest.mark.slow
def test_a_reader_never_sees_half_a_table(tmp_path: Path) -> None:
    paths = sample.write_sample(tmp_path)
    journal = Journal.read(paths.journal)
    stop, errors, reads = threading.Event(), [], 0

    def write() -> None:
        try:
            while not stop.is_set():
                export(journal, paths)
        except (DamagedResults, OSError, pa.ArrowException) as error:  # the test fails with it
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while reads < 300:
            assert read(TRIALS, paths).num_rows == 12
            assert pq.read_table(paths.table("classes")).num_rows == 18
            reads += 1
    finally:
        stop.set()
        writer.join()
        journal.close()
    assert errors == []
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_what_a_killed_export_left_is_gone_after_the_next(tmp_path: Path) -> None:
    paths = sample.write_sample(tmp_path)
    (tmp_path / ".trials.parquet.tmp").write_bytes(b"half of a table")
    journal = Journal.read(paths.journal)
    export(journal, paths)
    journal.close()
    assert list(tmp_path.glob(".*.tmp")) == []


@pytest.mark.parametrize("earlier", ["nothing", "tables without checksums", "tables"])
@pytest.mark.parametrize("place", range(len(TABLES) + 3))
def test_an_export_may_be_killed_anywhere(tmp_path: Path, monkeypatch: Any, earlier: str, place: int) -> None:
    """Its renames and syncs fail from one of them on: what is then there is not taken for damaged or gone."""
    paths = sample.write_sample(tmp_path)
    if earlier != "tables":
        paths.checksums.unlink()
    for table in TABLES if earlier == "nothing" else ():
        paths.table(table.name).unlink()
    left = place

    def rename(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(EIO, "killed here")
        return original(path, target)

    original = Path.replace
    with closing(Journal.read(paths.journal)) as journal, monkeypatch.context() as patch:
        patch.setattr(Path, "replace", rename)
        if place < len(TABLES) + 2:  # of the checksums, of each table, of the checksums again
            with pytest.raises(OSError, match="killed here"):
                export(journal, paths)
        else:
            export(journal, paths)
    gone = [paths.checksums.name] if earlier == "tables without checksums" and place == 0 else []  # it was before
    assert [verdict.file for verdict in table_verdicts(paths) if not verdict.intact] == gone


def test_flipped_bytes_are_found(tmp_path: Path) -> None:
    path = sample.write_sample(tmp_path).table("trials")
    whole = path.read_bytes()
    found = 0
    footer = int.from_bytes(whole[-8:-4], "little")
    pages = len(whole) - 8 - footer
    places = range(4, len(whole) - 8, max(1, len(whole) // 200))
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            damaged = read(TRIALS, ResultsPaths(tmp_path))
        except DamagedResults as error:
            found += 1
            assert "trials.parquet is damaged" in str(error)
        else:
            # the footer has no checksum: a flip in it may change a name or a statistic, never a value
            path.write_bytes(whole)
            values = [column.to_pylist() for column in damaged.columns]
            assert repr(values) == repr([column.to_pylist() for column in read(TRIALS, ResultsPaths(tmp_path)).columns])
    assert found > 0.8 * sum(place < pages for place in places)


def test_a_truncated_table_is_found(tmp_path: Path) -> None:
    paths = sample.write_sample(tmp_path)
    content = paths.table("trials").read_bytes()
    for kept in (0, 3, len(content) // 2, len(content) - 1):
        paths.table("trials").write_bytes(content[:kept])
        with pytest.raises(DamagedResults):
            read(TRIALS, paths)


def test_a_value_of_another_type_in_the_journal_is_damage(tmp_path: Path) -> None:
    paths = sample.write_sample(tmp_path)
    journal = Journal.create_or_open(paths.journal)
    list(journal.query("UPDATE trials SET epochs = 'many' RETURNING trial_id"))
    with pytest.raises(DamagedResults, match="epochs in trials"):
        export(journal, paths)
    journal.close()
    assert pd.read_parquet(paths.table("trials"))["epochs"].max() == 3  # the table from before stays


def test_the_tables_of_one_export_are_of_one_moment(tmp_path: Path) -> None:
    """A trial that is finished while the tables are written has its epochs in them, or is not finished in them."""
    paths = ResultsPaths(tmp_path)
    writer = Journal.create_or_open(paths.journal)
    cells = [sample.Cell(model=f"mlp{number}") for number in range(60)]
    sample.plan(writer, cells, seeds=(0,))
    writer.commit()
    stop = threading.Event()

    def finish_trials() -> None:
        for cell in cells:
            sample.complete(writer, cell, 0, accuracy=0.5)
            writer.commit()
        stop.set()

    thread = threading.Thread(target=finish_trials)
    thread.start()
    while not stop.is_set():
        reader = Journal.read(paths.journal)
        export(reader, paths)
        reader.close()
        trials, epochs = (pq.read_table(paths.table(name)).to_pandas() for name in ("trials", "epochs"))
        completed = set(trials[trials["status"] == "completed"]["trial_id"])
        assert set(epochs["trial_id"]) == completed
    thread.join()
    writer.close()


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(TRIALS, ResultsPaths(tmp_path))


def test_arrow_types_are_the_declared_ones() -> None:
    assert TRIALS.schema.field("started_at").type == pa.timestamp("us", tz="UTC")
