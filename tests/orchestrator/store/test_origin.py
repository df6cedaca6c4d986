"""What lies beside a journal does not keep it from being repaired; what may not be entered is said."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.store.reading import results_at
from tests.marks import slow_but
from tests.orchestrator.sample import write_sample


def to_sentinel(place: Path) -> None:
    place.symlink_to(place.parent.parent / "sentinel")


def to_itself(place: Path) -> None:
    place.symlink_to(place)


def to_zeros(place: Path) -> None:
    place.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [to_sentinel, to_itself, to_zeros, os.mkfifo, os.mkdir])
@pytest.mark.parametrize("ending", slow_but(["-wal"], ["-wal", "-shm", "-journal"]))
def test_what_is_no_file_beside_a_journal_is_moved_away_and_the_rest_is_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "demo"
    paths = write_sample(root)
    (tmp_path / "sentinel").write_bytes(b"untouched")
    place = root / f"journal.sqlite{ending}"
    make(place)
    paths.table("epochs").write_bytes(b"damaged")
    assert run(["verify", str(root)]) == 4
    assert run(["status", str(root)]) in (0, 4)
    run(["repair", str(root)])
    assert run(["verify", str(root)]) == 0
    assert not place.is_symlink() and (not place.exists() or place.is_file())
    assert (tmp_path / "sentinel").read_bytes() == b"untouched"
    message = capsys.readouterr()
    assert f"{place.name}: set aside" in message.out
    assert "Traceback" not in message.err


def told_to_another_user(root: Path) -> str:
    """What `results_at` says to somebody who is not root, whom nothing keeps out."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            results_at(root)
        except BaseException as error:  # noqa: BLE001 - the test judges which
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode()


@pytest.mark.parametrize("barred", ["parent", "parent/demo"])
def test_a_directory_that_may_not_be_entered_is_said(tmp_path: Path, barred: str) -> None:
    root = tmp_path / "parent" / "demo"
    write_sample(root)
    (tmp_path / barred).chmod(0)
    try:
        message = told_to_another_user(root)
    finally:
        (tmp_path / barred).chmod(0o755)
    assert message.startswith("UserError: ")
    assert "may not read" in message and "chmod -R" in message and str(root) in message
