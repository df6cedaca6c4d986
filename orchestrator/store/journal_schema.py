"""The tables that a journal has, and their version: made in a new file, and looked for in every other."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from secrets import token_hex

from orchestrator.errors import UserError
from orchestrator.store import sql
from orchestrator.store.connection import checked, connect
from orchestrator.store.files import damaged
from orchestrator.store.version import is_damaged, newer, version_of
from results_schema import EPOCHS, TRIALS, VERSION
from trainables.columns import TableColumn


def refuse_what_is_not_ours(path: Path) -> None:
    """Before anything is changed. Also intact: what a sweep left that was killed before its first statement.

    Raises DamagedResults, UserError.
    """
    if path.is_dir():
        raise UserError(f"cannot open {path}: it is a folder; use another --results")
    if not path.exists() or not path.stat().st_size:
        return
    with checked(path), closing(connect(path, read_only=True)) as db:
        if not is_empty(db):
            check_version(db, path)


def is_empty(db: sqlite3.Connection) -> bool:
    """Also after a sweep that was killed before it had written the first statement."""
    return not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def create(db: sqlite3.Connection) -> None:
    """All tables, without a row."""
    db.execute("BEGIN")
    for statement in sql.schema_statements():
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES ('results_version', ?)", (str(VERSION),))
    db.execute("INSERT INTO meta VALUES ('directory_id', ?)", (token_hex(4),))
    db.commit()


def check_intact(db: sqlite3.Connection, path: Path) -> None:
    """By SQLite's own account, and of a version that this orch reads. Raises DamagedResults, UserError."""
    check_version(db, path)
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise damaged(path, verdict, path.parent)


def check_version(db: sqlite3.Connection, path: Path) -> None:
    """Raises UserError for a newer one, DamagedResults where there is none."""
    if (found := version_of(db, path)) > VERSION:
        if is_damaged(path):  # a bit has made another number of ours
            raise damaged(path, "it has another version than it was written with", path.parent)
        raise newer(path, found)


def check_schema(db: sqlite3.Connection, path: Path) -> None:
    """So that a statement that SQLite refuses from here on is a mistake of this program. Raises DamagedResults."""
    for table, columns in sql.columns().items():
        if missing := columns - sql.columns_there(db, table):
            raise damaged(path, f"its table {table} has no {min(missing)}", path.parent)


def lacks_scores(db: sqlite3.Connection) -> bool:
    """Whether a task has been installed since this journal was made, whose columns it has not yet."""
    return any(_lacking(db, table, columns) for table, columns in sql.plug_in_scores().items())


def refuse_unknown_scores(db: sqlite3.Connection, path: Path) -> None:
    """Raises UserError where a journal with all of our columns has more: the tables would be written without them."""
    for table in (TRIALS.name, EPOCHS.name):
        if unknown := sql.columns_there(db, table) - sql.columns()[table]:
            raise UserError(
                f"{path} has a column {min(unknown)}, of a task that is not installed here: its figures would be missing in"
                " the tables; install the package that has the task, or use another --results"
            )


def add_scores(db: sqlite3.Connection) -> None:
    """Give a journal the columns of tasks that have been installed since it was made."""
    for table, columns in sql.plug_in_scores().items():
        if lacking := _lacking(db, table, columns):
            for statement in sql.additions(table, lacking, sql.columns_there(db, table)):
                db.execute(statement)


def _lacking(db: sqlite3.Connection, table: str, columns: Sequence[TableColumn]) -> list[TableColumn]:
    there = sql.columns_there(db, table)
    return [column for column in columns if column.name not in there] if there else []
