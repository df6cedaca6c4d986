"""Trials stand in several tables: those of an older orch are parted when they are read, continued and repaired."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.store import sql
from orchestrator.store.frames import TablesRead
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import every_trial, open_journal, table_of
from orchestrator.store.tables import export
from orchestrator.store.version import learns_in_part
from results_schema import (
    CONFIRMATION_TRIALS,
    CORRUPTIONS,
    EARLIER_TRIALS,
    MEASUREMENTS,
    THRESHOLDS,
    TRIAL_TABLES,
    TRIALS,
    TUNING_TRIALS,
    UPDATE_TRIALS,
    Table,
)
from tests.orchestrator import tuned_sample
from tests.orchestrator.sample import Cell

JOINED = ("trainable_parameters", "model_bytes", "feature_seconds", "total_seconds")
LATEST = (tuned_sample.SGD,)
ROWS = {TRIALS: 2, TUNING_TRIALS: 4, EARLIER_TRIALS: 12, CONFIRMATION_TRIALS: 0, MEASUREMENTS: 0, UPDATE_TRIALS: 0}


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    """18 trials of which the latest grid names 2 that evaluate and 4 that tune. One model learns in part."""
    paths = tuned_sample.write_tuned(tmp_path / "demo")
    with closing(sqlite3.connect(paths.journal)) as db, db:
        db.execute('UPDATE cells SET model_config = \'{"name": "net", "tune": "frozen"}\' WHERE optimizer = \'adam\'')
    paths.root.joinpath("journal.seal").unlink()
    journal = Journal.create_or_open(paths.journal)
    tuned_sample.plan(journal, LATEST, seeds=(0, 1), trials=4)
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def as_version_4(paths: ResultsPaths) -> pa.Table:
    """Leave what an orch of before would have. The rows of its table."""
    rows = every_trial(paths).drop_columns(list(JOINED))
    pq.write_table(rows.replace_schema_metadata({"results_version": "4"}), paths.table("trials"))
    others = (paths.table(table.name) for table in TRIAL_TABLES[1:])
    for path in (*others, paths.checksums):
        path.unlink()
    with closing(sqlite3.connect(paths.journal)) as db, db:
        for column in JOINED:
            db.execute(f"ALTER TABLE trials DROP COLUMN {column}")
        db.execute("UPDATE meta SET value = '4' WHERE key = 'results_version'")
    paths.root.joinpath("journal.seal").unlink()
    return rows


def assert_parted(paths: ResultsPaths, *, of_before: bool) -> None:
    found = {table: table_of(paths, table) for table in TRIAL_TABLES}
    assert {table.name: rows.num_rows for table, rows in found.items()} == {table.name: n for table, n in ROWS.items()}
    assert set(found[TRIALS]["purpose"].to_pylist()) == {"evaluation"}
    assert set(found[TUNING_TRIALS]["purpose"].to_pylist()) == {"tuning"}
    together = every_trial(paths).to_pylist()
    assert len({row["trial_id"] for row in together}) == len(together) == sum(ROWS.values())
    for row in (row for row in together if row["status"] == "completed"):
        in_part = of_before and row["optimizer"] == "adam"
        assert row["parameters"] == (None if in_part else 5000), row["optimizer"]
        assert row["total_seconds"] == (None if in_part else row["train_seconds"])
        assert row["trainable_parameters"] == (5000 if of_before else 4000)
    assert TablesRead(paths).every_trial(["trial_id", "parameters"])["trial_id"].is_unique


def test_those_of_now(paths: ResultsPaths) -> None:
    assert_parted(paths, of_before=False)


@pytest.mark.parametrize("left", ["both", "tables", "journal"])
def test_those_of_before_are_parted_when_they_are_read(paths: ResultsPaths, left: str) -> None:
    as_version_4(paths)
    for path in paths.root.glob({"both": "none", "tables": "journal*", "journal": "*.parquet"}[left]):
        path.unlink()
    assert_parted(paths, of_before=True)
    results = orchestrator.load(paths.root)
    assert (len(results.trials), len(results.cells())) == (2, 1)
    assert (run(["report", str(paths.root)]), run(["results", str(paths.root)])) == (0, 0)


def test_those_of_before_are_parted_by_the_next_sweep(paths: ResultsPaths) -> None:
    as_version_4(paths)
    journal = Journal.create_or_open(paths.journal)
    export(journal, paths)
    journal.close()
    assert_parted(paths, of_before=True)
    assert pq.read_metadata(paths.table("trials")).num_rows == ROWS[TRIALS]


@pytest.mark.parametrize("version", ["of now", "of before"])
def test_a_journal_that_is_gone_is_made_of_all_of_them(paths: ResultsPaths, version: str) -> None:
    before = as_version_4(paths) if version == "of before" else every_trial(paths)
    for path in paths.root.glob("journal*"):
        path.unlink()
    assert run(["verify", str(paths.root)]) == (4 if version == "of before" else 0), (
        "tables with checksums may be kept alone"
    )
    assert run(["repair", str(paths.root)]) == 4, "what attempts had printed stood in the journal alone"
    again = every_trial(paths).select(["trial_id", "status", "planned", "purpose", "test_accuracy", "optimizer"])
    key = [("trial_id", "ascending")]
    assert again.sort_by(key).to_pylist() == before.select(again.column_names).sort_by(key).to_pylist()
    assert_parted(paths, of_before=version == "of before")


@pytest.mark.parametrize("table", TRIAL_TABLES, ids=lambda table: table.name)
def test_each_of_them_is_told_of_and_repaired(
    paths: ResultsPaths, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{table.name}.parquet"
    (paths.root / name).write_bytes(b"PAR1 noise")
    assert run(["verify", str(paths.root)]) == 4
    assert f"DAMAGED  {name}" in capsys.readouterr().out
    assert len(TablesRead(paths).every_trial(["trial_id"])) == sum(ROWS.values()), "the journal has its rows"
    assert run(["repair", str(paths.root)]) == 0
    assert_parted(paths, of_before=False)


@pytest.mark.parametrize("left", ["both", "tables"])
def test_results_of_before_trials_confirmed_have_none_that_do(
    paths: ResultsPaths, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that the orch of then did not write is not one that is lost."""
    for table in (TRIALS, TUNING_TRIALS, EARLIER_TRIALS):
        rows = pq.read_table(paths.table(table.name))
        pq.write_table(rows.replace_schema_metadata({"results_version": "7"}), paths.table(table.name))
    for table in (CONFIRMATION_TRIALS, MEASUREMENTS, UPDATE_TRIALS):
        paths.table(table.name).unlink()
    paths.checksums.unlink()
    if left == "tables":
        for path in paths.root.glob("journal*"):
            path.unlink()
    tables = TablesRead(paths)
    assert len(tables.every_trial(["trial_id"])) == sum(ROWS.values())
    assert tables.damage == []
    assert_parted(paths, of_before=False)
    if left == "tables":
        run(["repair", str(paths.root)])
        assert CONFIRMATION_TRIALS.name not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("later", "version"),
    [(CONFIRMATION_TRIALS, 7), (THRESHOLDS, 9), (MEASUREMENTS, 11), (CORRUPTIONS, 11), (UPDATE_TRIALS, 13)],
)
def test_where_a_table_came_later_no_trial_of_before_waits_again(
    paths: ResultsPaths, later: Table, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_journal(paths)) as journal:
        before = journal.counts()
    for table in (TRIALS, TUNING_TRIALS, EARLIER_TRIALS):
        rows = pq.read_table(paths.table(table.name))
        pq.write_table(rows.replace_schema_metadata({"results_version": str(version)}), paths.table(table.name))
    for path in (paths.table(later.name), paths.checksums, *paths.root.glob("journal*")):
        path.unlink()
    run(["repair", str(paths.root)])
    told = capsys.readouterr().out
    assert "wait again" not in told and later.name not in told
    with closing(open_journal(paths)) as journal:
        assert journal.counts() == before
        assert before["completed"] > 0


def test_every_trial_of_the_journal_is_in_one_of_them(paths: ResultsPaths) -> None:
    journal = Journal.read(paths.journal)
    parts = [list(journal.query(sql.select(table))) for table in TRIAL_TABLES]
    assert sorted(row[0] for part in parts for row in part) == sorted(
        row[0] for row in journal.query(sql.select_every_trial())
    )
    journal.close()


def test_what_tuning_made_of_a_cell_is_called_as_the_cell_is(tmp_path: Path) -> None:
    """Also where the cell comes to be called otherwise after that."""
    paths = tuned_sample.write_tuned(tmp_path / "demo")
    with closing(sqlite3.connect(paths.journal)) as db, db:
        db.execute("UPDATE cells SET optimizer = 'stale'")
    paths.root.joinpath("journal.seal").unlink()
    journal = Journal.create_or_open(paths.journal)
    with journal.planning("demo") as planning:
        planning.add(Cell(optimizer="sgd").row(), [])
        planning.name_levels(lambda axis, levels: {level: level.label for level in levels})
    found = {
        label
        for (label,) in journal.query(
            f"SELECT optimizer FROM {sql.TRIALS_AND_CELLS} WHERE trials.cell_id = ?", [tuned_sample.SGD.cell_id]
        )
    }
    journal.close()
    assert found == {"sgd"}


@pytest.mark.parametrize("config", [None, "", "{", "[]", '"net"', "{}", '{"tune": "all"}', '{"tune": "last"}'])
def test_of_a_model_that_cannot_be_read_nothing_is_said(config: str | None) -> None:
    assert learns_in_part(config) is (config not in ("{}", '{"tune": "all"}'))


def test_what_is_told_of_a_trial_is_found_by_an_index(paths: ResultsPaths) -> None:
    """Each trial asks for its variants and measurements: with a scan for each, ten thousand took minutes to export."""
    with closing(sqlite3.connect(paths.journal)) as db:
        for statement in (sql.select(TRIALS), sql.select_every_trial()):
            steps = [str(step[-1]) for step in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            own = [step for step in steps if " own" in step]
            assert len(own) > 5
            assert all("USING INDEX trials_by_parent" in step for step in own), own
