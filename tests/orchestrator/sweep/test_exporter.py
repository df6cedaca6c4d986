"""Tables are fresh while a sweep runs, and a failure to write them never stops it."""

import time
from pathlib import Path

import pytest

from orchestrator.errors import DamagedResults
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import JournalPlace
from orchestrator.sweep import session
from orchestrator.sweep.session import Exporter
from tests.orchestrator import sample


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ResultsPaths, Journal]:
    monkeypatch.setattr(session, "PERIOD", 0.05)
    monkeypatch.setattr(session, "PATIENCE", 0.0)
    return sample.write_running(tmp_path)


def until(what: str, path: Path, exists: bool = True) -> None:
    for _ in range(200):
        if path.exists() is exists:
            return
        time.sleep(0.05)
    raise AssertionError(what)


def test_tables_appear_while_the_sweep_runs(running: tuple[ResultsPaths, Journal]) -> None:
    paths, journal = running
    exports = Exporter(paths, JournalPlace(paths))
    exports.start()
    until("no table was written", paths.table("environments"))  # the last of an export
    for name in ("trials", "environments"):
        paths.table(name).unlink()
    until("the tables were not written again", paths.table("environments"))
    journal.close()
    exports.finish()
    assert exports.seconds > 0
    assert exports.failure is None


def test_a_failure_is_remembered_and_the_next_refresh_is_tried(running: tuple[ResultsPaths, Journal]) -> None:
    paths, journal = running
    paths.table("trials").mkdir()
    exports = Exporter(paths, JournalPlace(paths))
    exports.start()
    for _ in range(200):
        if exports.failure is not None:
            break
        time.sleep(0.05)
    assert "trials.parquet" in (exports.failure or "")
    with pytest.raises(DamagedResults, match="it is a folder"):
        exports.finish()
    paths.table("trials").rmdir()
    again = Exporter(paths, JournalPlace(paths))
    again.start()
    again.finish()
    assert paths.table("trials").is_file()
    journal.close()
