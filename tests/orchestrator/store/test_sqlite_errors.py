"""What SQLite refuses is told for what it was: damage where it has found some, else the disk, the lock, the statement."""

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.errors import DamagedResults, InfrastructureLost, OrchError, UserError
from orchestrator.store.connection import checked, connect
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator import sample
from tests.orchestrator.processes import ROOT


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    return sample.write_sample(tmp_path / "demo")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT no_such_column FROM trials",
        "SELECT * FROM no_such_table",
        "SELEC",
        "SELECT no_such_function(1)",
        "SELECT 1; SELECT 2",
        "SELECT ?",
    ],
)
def test_a_wrong_statement_is_a_mistake_of_this_program(paths: ResultsPaths, statement: str) -> None:
    with closing(Journal.read(paths.journal)) as journal, pytest.raises(sqlite3.Error) as raised:
        list(journal.query(statement))
    assert not isinstance(raised.value, OrchError)
    assert not [verdict for verdict in verify(paths) if not verdict.intact], "the journal is none the worse"


def test_a_value_that_does_not_fit_is_a_mistake_of_this_program(paths: ResultsPaths) -> None:
    with closing(Journal.create_or_open(paths.journal)) as journal, pytest.raises(sqlite3.IntegrityError):
        journal.set_aside(sample.MLP_SGD.trial_id(0), None, None)  # type: ignore[arg-type] # its status


def test_a_journal_that_is_locked_is_not_damaged(
    paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("orchestrator.store.sealing.journal_writer.PATIENCE_MS", 1)
    with closing(sqlite3.connect(paths.journal, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        for command in ("status", "results"):
            code = run([command, str(paths.root)])
            message = capsys.readouterr().err
            assert "is damaged" not in message
            assert (code, "keeps" in message) in {(3, True), (0, False)}, message
        assert run(["status", str(paths.root)]) == 3


def removed(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("befalls", [removed, a_folder])
def test_what_cannot_be_opened_is_not_damaged(tmp_path: Path, befalls: Callable[[Path], None]) -> None:
    path = tmp_path / "demo" / "journal.sqlite"
    path.parent.mkdir()
    path.touch()
    befalls(path)
    with pytest.raises(OrchError) as raised, closing(connect(path)) as db, checked(path):
        db.execute("SELECT * FROM sqlite_master")
    assert "cannot open" in str(raised.value) or befalls is a_folder


OUT_OF_MEMORY = """
import sys
from contextlib import suppress
from pathlib import Path
from orchestrator.errors import OrchError
from orchestrator.store.journal import Journal
journal = Journal.create_or_open(Path(sys.argv[1]))
with suppress(MemoryError):  # so much is in use already
    journal._db.execute("PRAGMA hard_heap_limit = 1000")
try:
    journal.remember("note", "x" * 10_000)
    journal.commit()
except OrchError as error:
    print(type(error).__name__, error)
"""


def test_a_machine_without_memory_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    ended = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith(f"{InfrastructureLost.__name__} not enough memory"), ended.stdout
    Journal.create_or_open(path).close()


def test_too_many_open_files_are_no_damage(paths: ResultsPaths) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open("/dev/null", os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, hard))
    try:
        with pytest.raises(UserError, match="cannot open"):
            Journal.read(paths.journal)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(held[0])


CODES = {
    DamagedResults: {"CORRUPT", "NOTADB", "FORMAT"},
    InfrastructureLost: {"FULL", "IOERR", "BUSY", "LOCKED", "PROTOCOL", "NOMEM", "NOLFS"},
    UserError: {"READONLY", "CANTOPEN", "PERM", "AUTH"},
}
DAMAGE_OF_A_DISK = {"IOERR_SHORT_READ", "IOERR_DATA", "IOERR_CORRUPTFS"}


def test_every_code_of_sqlite_has_its_meaning() -> None:
    """Those that tell of the file, the disk or the machine, with all their extended codes."""
    seen = set()
    for name in (name.removeprefix("SQLITE_") for name in dir(sqlite3) if name.startswith("SQLITE_")):
        family = next((family for family, names in CODES.items() if name.split("_")[0] in names), None)
        if family is None:
            continue
        error = sqlite3.OperationalError("what SQLite says")
        error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{name}")
        with pytest.raises(DamagedResults if name in DAMAGE_OF_A_DISK else family), checked(Path("journal.sqlite")):
            raise error
        seen.add(name)
    assert seen >= set().union(*CODES.values()) | DAMAGE_OF_A_DISK


def test_a_name_that_was_flipped_in_the_schema_is_damage(
    paths: ResultsPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite takes it for a statement that is wrong."""
    content = paths.journal.read_bytes()
    assert content.count(b'"val_accuracy"') >= 1
    paths.journal.write_bytes(content.replace(b'"val_accuracy"', b'"vbl_accuracy"'))
    for command in ("status", "verify"):
        assert run([command, str(paths.root)]) == 4
        message = capsys.readouterr()
        assert "journal.sqlite" in message.out + message.err
