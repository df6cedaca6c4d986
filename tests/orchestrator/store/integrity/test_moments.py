"""Files of one results directory that are of different moments, as `cp -r` and `rsync` leave them beside a sweep: what is
whole is kept, and what is older than the journal beside it is not taken for newer.
"""

import shutil
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator import sample

CELLS = [sample.Cell(model=f"mlp-{number}") for number in range(40)]


class Written:
    """A journal that is written cell by cell; copies of its files are taken at any moment."""

    def __init__(self, root: Path) -> None:
        self.paths = sample.write_sample(root)
        self.journal = Journal.create_or_open(self.paths.journal)
        self.done = 0

    def go_on(self, cells: int) -> None:
        for cell in CELLS[self.done : self.done + cells]:
            sample.plan(self.journal, [cell], seeds=(0, 1))
            sample.complete(self.journal, cell, 0, accuracy=0.7)
            self.journal.commit()
        self.done += cells

    def again(self) -> None:
        """End, and begin another time."""
        self.journal.close()
        self.journal = Journal.create_or_open(self.paths.journal)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "demo")


def copy(written: Written, to: Path, names: tuple[str, ...] = ()) -> ResultsPaths:
    """Over what is there, as both commands do; names: of these files alone."""
    to.mkdir(exist_ok=True)
    for path in sorted(written.paths.root.iterdir()):
        if path.is_file() and (not names or path.name in names):
            shutil.copyfile(path, to / path.name)
    return ResultsPaths(to)


def damaged(paths: ResultsPaths) -> set[str]:
    return {verdict.file for verdict in verify(paths) if not verdict.intact}


def statuses(paths: ResultsPaths) -> dict[str, str]:
    journal = Journal.read(paths.journal)
    found = journal.statuses()
    journal.close()
    return found


def repaired(paths: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    code = run(["repair", str(paths.root)])
    said = capsys.readouterr().out
    assert (code, "LOST" in said) == (0, False), said
    assert damaged(paths) == set()
    return said


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_seal_that_is_older_than_the_journal_costs_no_row(
    written: Written, tmp_path: Path, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = copy(written, tmp_path / "copy", ("journal.seal",))
    for _ in range(times):
        written.go_on(3)
        written.again()
    written.journal.close()
    right = statuses(written.paths)
    copy(written, copied.root, ("journal.sqlite", "journal.mark"))
    assert run(["verify", str(copied.root)]) == 4
    assert "DAMAGED  journal.seal: it is of another moment" in capsys.readouterr().out
    repaired(copied, capsys)
    assert statuses(copied) == right


def test_a_seal_that_is_newer_than_the_journal_costs_no_row(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written.go_on(3)
    written.again()
    written.journal.close()
    copied = copy(written, tmp_path / "copy", ("journal.sqlite",))
    right = statuses(copied)
    written.journal = Journal.create_or_open(written.paths.journal)
    written.go_on(3)
    written.journal.close()
    copy(written, copied.root, ("journal.seal", "journal.mark"))
    assert damaged(copied) == {"journal.seal"}
    repaired(copied, capsys)
    assert statuses(copied) == right


def test_a_log_that_an_earlier_copy_has_left_is_not_taken_for_newer(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written.go_on(5)
    copied = copy(written, tmp_path / "copy")
    written.go_on(5)
    written.journal.close()
    copy(written, copied.root)  # whose log stays, as there is none any more
    right = statuses(written.paths)
    assert (copied.root / "journal.sqlite-wal").exists()
    assert damaged(copied) == {"journal.sqlite-wal"}
    assert run(["status", str(copied.root)]) == 4
    assert "left by a copy from another time" in capsys.readouterr().err
    repaired(copied, capsys)
    assert statuses(copied) == right


def test_a_log_that_goes_on_from_a_later_journal_is_not_mixed_with_an_earlier_one(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written.again()
    copied = copy(written, tmp_path / "copy", ("journal.sqlite", "journal.seal"))
    right = statuses(copied)
    for path in copied.root.glob("*-*"):
        path.unlink()
    written.go_on(3)
    written.again()
    written.go_on(3)
    copy(written, copied.root, ("journal.sqlite-wal", "journal.mark"))
    assert damaged(copied) == {"journal.sqlite-wal"}
    assert run(["repair", str(copied.root)]) == 4
    assert "LOST what was committed last" in capsys.readouterr().out
    assert damaged(copied) == set()
    assert statuses(copied) == right


@pytest.mark.parametrize("backwards", [False, True])
def test_files_that_were_copied_one_after_another_keep_what_was_done_before(
    written: Written, tmp_path: Path, backwards: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it where SQLite reads what was copied, and what the tables had where that ends before it was committed."""
    exported = statuses(written.paths)
    written.go_on(4)
    before = exported if backwards else statuses(written.paths)
    names = [path.name for path in written.paths.root.iterdir() if path.is_file()]
    copied = ResultsPaths(tmp_path / "copy")
    for name in sorted(names, reverse=backwards):
        copy(written, copied.root, (name,))
        written.go_on(1)
    assert run(["repair", str(copied.root)]) == (4 if backwards else 0)
    assert damaged(copied) == set(), capsys.readouterr().out
    after = statuses(copied)
    assert {trial: after.get(trial) for trial in before} == before


@pytest.mark.slow
def test_a_flipped_bit_is_no_other_moment(written: Written) -> None:
    """Also in the very numbers by which moments are told apart."""
    written.go_on(2)
    written.journal.close()
    content = written.paths.journal.read_bytes()
    for place in [*range(24, 28), *range(60, 64), *range(68, 72), *range(92, 96)]:
        for bit in range(8):
            damage = bytearray(content)
            damage[place] ^= 1 << bit
            written.paths.journal.write_bytes(damage)
            assert "journal.sqlite" in damaged(written.paths), (place, bit)
    written.paths.journal.write_bytes(content)
    assert damaged(written.paths) == set()
