"""Which of two journals is gone on with, where the results lie on a network file system."""

import shutil
from pathlib import Path

import pytest

from orchestrator.errors import DamagedResults, InfrastructureLost, LockedResults
from orchestrator.store import place
from orchestrator.store.journal import Journal
from orchestrator.store.local_disk import JOURNAL_DIR, NETWORK_FOLDERS
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import JournalPlace, journal_to_read, place_of
from orchestrator.store.sealing.inspection import JournalFiles, inspect


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultsPaths:
    monkeypatch.setenv(NETWORK_FOLDERS, str(tmp_path / "shared"))
    monkeypatch.setenv(JOURNAL_DIR, str(tmp_path / "disk"))
    (tmp_path / "shared" / "results").mkdir(parents=True)
    return ResultsPaths(tmp_path / "shared" / "results")


def held() -> None:
    return


def opened(paths: ResultsPaths) -> tuple[JournalPlace, Journal, str | None]:
    found = place_of(paths, held)
    journal = Journal.create_or_open(found.journal)
    return found, journal, found.opened(journal)


def keep(journal: Journal, value: str) -> None:
    journal.remember("note", value)
    journal.commit()


def read(path: Path) -> str | None:
    journal = Journal.read(path)
    try:
        return journal.meta("note")
    finally:
        journal.close()


def test_the_copy_is_whole_sealed_and_of_the_last_publication(paths: ResultsPaths) -> None:
    found, journal, _ = opened(paths)
    keep(journal, "first")
    found.publish()
    keep(journal, "second")
    assert (read(paths.journal), read(journal_to_read(paths)), read(found.published)) == ("first", "second", "first")
    assert inspect(JournalFiles(paths.journal)).sealed
    assert not inspect(JournalFiles(paths.journal)).faults
    journal.close()
    found.finish()
    assert read(paths.journal) == "second"
    assert journal_to_read(paths) == paths.journal
    assert not inspect(JournalFiles(paths.journal)).faults


def test_what_was_cut_off_here_is_gone_on_with_also_where_the_copy_is_damaged(paths: ResultsPaths) -> None:
    _, journal, _ = opened(paths)
    keep(journal, "only here")
    journal.close()  # and no `finish`: it was cut off
    paths.journal.write_bytes(b"noise" * 1000)
    found, journal, message = opened(paths)
    assert (journal.meta("note"), message) == ("only here", None)
    journal.close()
    found.finish()
    assert read(paths.journal) == "only here"


def test_a_damaged_copy_that_is_all_there_is_keeps_its_name(paths: ResultsPaths) -> None:
    found, journal, _ = opened(paths)
    journal.close()
    found.finish()
    content = bytearray(paths.journal.read_bytes())
    content[5000] ^= 1
    paths.journal.write_bytes(content)
    with pytest.raises(DamagedResults, match=str(paths.journal)):
        place_of(paths, held)


def test_results_that_were_deleted_do_not_come_back(paths: ResultsPaths) -> None:
    _, journal, _ = opened(paths)
    keep(journal, "deleted")
    journal.close()
    shutil.rmtree(paths.root)
    paths.root.mkdir()
    _, journal, _ = opened(paths)
    assert journal.meta("note") is None
    journal.close()


def test_results_of_a_local_disk_that_were_moved_there_with_an_open_log(paths: ResultsPaths, tmp_path: Path) -> None:
    local = ResultsPaths(tmp_path / "local")
    journal = Journal.create_or_open(local.journal)
    keep(journal, "in the log")
    shutil.copytree(local.root, paths.root, dirs_exist_ok=True)  # as kill -9 leaves it
    journal.close()
    assert paths.journal.with_name("journal.sqlite-wal").stat().st_size
    found, journal, _ = opened(paths)
    assert journal.meta("note") == "in the log"
    journal.close()
    found.finish()
    assert read(paths.journal) == "in the log"
    assert not [path for path in paths.root.iterdir() if path.suffix in {".mark", ".tmp"} or "-wal" in path.name]


def test_a_copy_that_was_fetched_from_there_says_what_it_lacks(paths: ResultsPaths, tmp_path: Path) -> None:
    _, journal, _ = opened(paths)
    shutil.copytree(paths.root, tmp_path / "fetched")
    journal.close()
    found, journal, message = opened(ResultsPaths(tmp_path / "fetched"))
    assert message is not None
    assert str(tmp_path / "disk") in message
    journal.commit()
    assert found.opened(journal) is None, "said once"
    journal.close()


def test_a_full_server_loses_nothing_and_says_where_the_journal_is(
    paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, journal, _ = opened(paths)
    keep(journal, "here")
    journal.close()
    before = paths.journal.read_bytes()

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(place, "copy_durably", full)
        with pytest.raises(InfrastructureLost, match=r"No space left.*is intact in .*journal\.sqlite on"):
            found.finish()
    assert paths.journal.read_bytes() == before
    found, journal, message = opened(paths)
    assert (journal.meta("note"), message) == ("here", None)
    journal.close()


def test_who_has_lost_the_results_puts_nothing_there(paths: ResultsPaths) -> None:
    lost: list[bool] = []

    def check() -> None:
        if lost:
            raise LockedResults("taken over")

    found = place_of(paths, check)
    journal = Journal.create_or_open(found.journal)
    found.opened(journal)
    before = paths.journal.read_bytes()
    lost.append(True)
    keep(journal, "too late")
    with pytest.raises(LockedResults):
        found.publish()
    journal.close()
    with pytest.raises(LockedResults):
        found.finish()
    assert paths.journal.read_bytes() == before


def test_a_copy_is_of_this_directory_however_it_is_called(paths: ResultsPaths) -> None:
    """A results directory copied beside itself has the same id: its journal is another one."""
    found, journal, _ = opened(paths)
    keep(journal, "first")
    found.publish()
    other = ResultsPaths(paths.root.with_name("other"))
    shutil.copytree(paths.root, other.root)
    keep(journal, "second")
    assert read(journal_to_read(other)) == "first"
    assert read(journal_to_read(paths)) == "second"
    journal.close()
