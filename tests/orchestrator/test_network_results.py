"""Results on a network file system: a declared one, and machines that are different folders of local journals."""

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.store.local_disk import JOURNAL_DIR, NETWORK_FOLDERS
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import open_journal, results_at, table_of
from orchestrator.store.sealing.inspection import JournalFiles, inspect
from results_schema import TRIALS
from tests.orchestrator import processes
from tests.orchestrator.sweeper import SLOW

SWEEPER = Path(__file__).with_name("network_sweeper.py")
SEEDS = (0, 50, SLOW)
"""Two good trials, and then one that takes long."""


class Shared:
    """A folder that two machines see. They run the same grid into the same results."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder / "shared", monkeypatch
        self.folder.mkdir()
        self._disks = folder
        self.paths = ResultsPaths(self.folder / "results" / "sweep")
        monkeypatch.setenv(NETWORK_FOLDERS, str(self.folder))
        processes.write_grid(self.folder, SEEDS)

    def on(self, machine: str) -> "Shared":
        """From now on we are there."""
        self._monkeypatch.setenv(JOURNAL_DIR, str(self._disks / machine))
        return self

    def start(self) -> subprocess.Popen[str]:
        return processes.start(self.folder, SWEEPER, "grid.yaml", "inline")

    def start_until_the_slow_one(self) -> subprocess.Popen[str]:
        process = self.start()
        processes.wait_until("two are done", lambda: self.seen()["completed"] == 2, process)
        return process

    def hurry(self) -> None:
        (self.folder / "hurry").touch()

    def sweep(self) -> tuple[int, str, str]:
        return processes.finish(self.start())

    def seen(self) -> Counter[str]:
        """Status to number of trials, as this machine sees it."""
        if not self.paths.journal.exists():
            return Counter()
        journal = open_journal(self.paths)
        try:
            return Counter(journal.counts())
        finally:
            journal.close()

    def attempts(self) -> list[int]:
        """How often each trial was begun, as the tables have it."""
        trials = table_of(results_at(self.paths.root), TRIALS)
        assert set(trials["status"].to_pylist()) == {"completed"}
        return sorted(trials["attempts"].to_pylist())

    def disk(self, machine: str) -> list[str]:
        return sorted(path.name for path in (self._disks / machine).rglob("*.sqlite"))


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    return Shared(tmp_path, monkeypatch)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_cut_off_and_gone_on_with_on_the_same_machine_loses_nothing(shared: Shared) -> None:
    kill(shared.on("one").start_until_the_slow_one())
    assert shared.seen()["completed"] == 2
    assert shared.on("two").seen() == {"pending": 3}, "elsewhere one sees the copy, of before the first trial"
    _, said, _ = processes.finish(processes.start(shared.folder, "-m", "orchestrator", "status", shared.paths.root))
    assert "copied here at" in said
    shared.on("one").hurry()
    code, _, said = shared.sweep()
    assert (code, "warning" in said, "watching" in said) == (0, False, False)
    assert shared.attempts() == [1, 1, 2]
    assert shared.disk("one") == [], "the results have all of it"
    assert not inspect(JournalFiles(shared.paths.journal)).faults


def test_cut_off_and_gone_on_with_elsewhere_says_what_runs_again(shared: Shared) -> None:
    kill(shared.on("one").start_until_the_slow_one())
    shared.hurry()
    code, _, said = shared.on("two").sweep()
    assert code == 0, said
    assert "watching" in said
    left = next((shared.folder.parent / "one").rglob("journal.sqlite"))
    for part in ("the last sweep here was cut off", "of the 3 trials", str(left)):
        assert part in said
    assert shared.attempts() == [1, 1, 1]
    code, printed, said = shared.on("one").sweep()
    assert (code, json.loads(printed)["ran"], "warning" in said) == (0, 0, False)
    assert shared.attempts() == [1, 1, 1], "the newer journal is the one that came from the other machine"
    assert shared.disk("one") == []


def test_two_machines_at_once(shared: Shared) -> None:
    running = shared.on("one").start_until_the_slow_one()
    code, _, said = shared.on("two").sweep()
    assert code == 5
    assert f"process {running.pid}" in said
    assert shared.on("one").sweep()[0] == 5
    shared.hurry()
    assert processes.finish(running)[0] == 0
    assert shared.attempts() == [1, 1, 1]


@pytest.mark.slow
def test_one_that_was_suspended_for_too_long_lets_the_other_have_it(shared: Shared) -> None:
    suspended = shared.on("one").start_until_the_slow_one()
    suspended.send_signal(signal.SIGSTOP)
    shared.hurry()
    assert shared.on("two").sweep()[0] == 0
    (shared.folder / "hurry").unlink()
    before = shared.paths.journal.read_bytes()
    suspended.send_signal(signal.SIGCONT)
    code, _, said = processes.finish(suspended)
    assert code == 5
    assert "taken over" in said
    assert shared.paths.journal.read_bytes() == before
    assert shared.attempts() == [1, 1, 1]


def test_no_local_disk(shared: Shared) -> None:
    shared.on("shared/journals")
    code, _, said = shared.sweep()
    assert (code, JOURNAL_DIR in said) == (2, True)
