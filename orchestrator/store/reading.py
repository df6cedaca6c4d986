"""Opens a results directory for reading."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from orchestrator.errors import UserError
from orchestrator.store import sql
from orchestrator.store.class_columns import measures_in, with_class_columns
from orchestrator.store.files import not_permitted
from orchestrator.store.journal import Journal
from orchestrator.store.local_path import whole_path
from orchestrator.store.paths import ResultsPaths, results_in
from orchestrator.store.place import journal_to_read
from orchestrator.store.sealing.inspection import JournalFiles, refuse_log_that_was_left
from orchestrator.store.tables import checked_rows, read
from orchestrator.store.version import SPLIT, check_is_results_dir, is_before, part_of, table_version
from results_schema import CLASSES, TRIAL_TABLES, TRIALS, VERSION, Table
from trainables.errors import meant


def results_at(root: Path) -> ResultsPaths:
    """The files of a results directory. Raises UserError where there is none, or one of another program or a newer orch, or
    one that this user may not enter.
    """
    whole_path(root)
    try:
        return _known(ResultsPaths(root))
    except PermissionError as error:
        raise not_permitted(root, error) from error


def _known(paths: ResultsPaths) -> ResultsPaths:
    root = paths.root
    if not root.exists():
        raise UserError(f"there is no results directory {root}; `orch sweep GRID` makes results/<name>{_near(root)}")
    if not root.is_dir():
        raise UserError(f"{root} is a file, not a results directory; give the folder that `orch sweep` wrote")
    if not paths.journal.exists() and not paths.table("trials").exists():
        raise UserError(f"{root} is not a results directory: it has neither a journal nor a trials table{_near(root)}")
    check_is_results_dir(paths)
    return paths


def open_journal(paths: ResultsPaths) -> Journal:
    """The journal, to read. Raises UserError where only tables are left, DamagedResults."""
    return _newest(paths, f"{paths.root} has tables but no journal; `orch results` and `orch report` read tables")


def _newest(paths: ResultsPaths, missing: str) -> Journal:
    """missing: what to tell where there is none."""
    newest = journal_to_read(paths)
    refuse_log_that_was_left(JournalFiles(newest))
    try:
        return Journal.read(newest)
    except FileNotFoundError:
        raise UserError(missing) from None


def table_of(paths: ResultsPaths, table: Table) -> pa.Table:
    """A table as it was exported last, or out of the journal where it never was. Raises DamagedResults."""
    if table in TRIAL_TABLES and has_one_of_trials(paths):
        return part_of(table, read(TRIALS, paths))
    try:
        return read(table, paths)
    except FileNotFoundError:
        if is_before(table, paths):
            return table.schema.empty_table()
        return table_from_journal(paths, table)


def every_trial(paths: ResultsPaths, asked: Sequence[str] = ()) -> pa.Table:
    """The rows of all tables of trials, with the measures of single classes that they select by, or that are asked for, as
    columns such as `test_recall[defect]`. Raises UserError, DamagedResults.
    """
    if has_one_of_trials(paths):
        return read(TRIALS, paths)
    whole = pa.concat_tables([table_of(paths, table) for table in TRIAL_TABLES], promote_options="default")
    measures = measures_in(asked, whole["protocol_config"].unique().to_pylist())
    return with_class_columns(whole, measures, lambda columns, _: table_of(paths, CLASSES).select(columns))


def has_one_of_trials(paths: ResultsPaths) -> bool:
    """Whether an older orch has written the tables, which has all trials in one."""
    return (table_version(paths.table(TRIALS.name)) or VERSION) < SPLIT


def table_from_journal(paths: ResultsPaths, table: Table) -> pa.Table:
    """A table as it stands in the journal now. Raises UserError where there is none, DamagedResults."""
    lacks = f"{paths.table(table.name)} is missing, and there is no journal to write it from"
    with closing(_newest(paths, f"{lacks}; copy it from where the sweep ran")) as journal:
        rows = list(journal.query(sql.select(table)))
    return checked_rows(table, rows, table.schema) if rows else table.schema.empty_table()


def _near(root: Path) -> str:
    """A hint with the results directories that lie in or beside this one."""
    for folder in (root, root / "results", root.parent):
        if found := results_in(folder):
            return f"; {meant(map(str, found[:3]), '')}"
    return ""
