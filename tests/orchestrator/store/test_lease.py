"""One holder of a folder at a time, whatever machine it is on."""

import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from orchestrator.errors import Interrupted, LockedResults
from orchestrator.store import lock as lease
from orchestrator.store.lock import HostLease


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "STALE", 1.0)


def of(folder: Path, machine: str) -> HostLease:
    lock = folder / f"lock-of-{machine}"
    lock.touch()
    return HostLease(folder, machine, lock, f"ada on {machine}")


def quiet(_: str = "") -> None:
    return


def test_another_machine_is_refused_while_the_holder_lives_and_then_need_not_wait(tmp_path: Path) -> None:
    first, second = of(tmp_path, "one"), of(tmp_path, "two")
    first.acquire(quiet, quiet)
    with pytest.raises(LockedResults, match="in use by ada on one"):
        second.acquire(quiet, quiet)
    first.check()
    first.release()
    notes: list[str] = []
    second.acquire(notes.append, quiet)
    assert not notes
    second.release()


def test_a_holder_that_shows_nothing_loses_it_and_learns_of_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = of(tmp_path, "one"), of(tmp_path, "two")
    monkeypatch.setattr(lease, "BEAT", 3.0)  # as one that is suspended: it wakes up after the other has taken over
    first.acquire(quiet, quiet)
    monkeypatch.setattr(lease, "BEAT", 0.05)
    notes: list[str] = []
    second.acquire(notes.append, quiet)
    assert "ada on one" in notes[0]
    with pytest.raises(LockedResults, match="taken over by ada on two"):
        first.check()
    for _ in range(100):
        if first.lost:
            break
        time.sleep(0.1)
    assert first.lost
    first.release()
    second.check()
    second.release()


def test_on_one_machine_the_kernel_knows_at_once_whether_the_holder_lives(tmp_path: Path) -> None:
    first, second = of(tmp_path, "one"), HostLease(tmp_path, "one", tmp_path / "of another path", "bob on one")
    first.acquire(quiet, quiet)
    with FileLock(tmp_path / "lock-of-one"), pytest.raises(LockedResults, match="ada on one"):
        second.acquire(quiet, quiet)
    second.acquire(quiet, lambda: pytest.fail("nothing to wait for"))  # given back: its process is dead
    second.release()
    first.release()


def test_of_many_that_see_the_same_one_wins(tmp_path: Path) -> None:
    for _ in range(10):
        leases = [of(tmp_path, f"machine {number}") for number in range(8)]
        outcomes: list[bool] = []
        together = threading.Barrier(len(leases))

        def take(one: HostLease, outcomes: list[bool] = outcomes, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                one.acquire(quiet, quiet)
                outcomes.append(True)
            except LockedResults:
                outcomes.append(False)

        threads = [threading.Thread(target=take, args=(one,)) for one in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 7 + [True]
        for one in leases:
            one.release()
    assert len(list(tmp_path.glob(".lease-*"))) <= 2, "old files are taken away, and temporary ones"


def test_who_watches_a_silent_holder_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 30.0)
    monkeypatch.setattr(lease, "STALE", 30.0)
    first = of(tmp_path, "one")
    first.acquire(quiet, quiet)

    def stop() -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        of(tmp_path, "two").acquire(quiet, stop)
    first.release()
