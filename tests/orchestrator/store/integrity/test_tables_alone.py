"""Tables that were copied with their checksums, without a journal: verified as such, and a journal can be made of them."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.reading import open_journal
from tests.orchestrator import sample

SAYS = "intact   journal.sqlite: none was kept: here are tables alone"


@pytest.fixture
def kept(tmp_path: Path) -> ResultsPaths:
    whole = sample.write_sample(tmp_path / "whole")
    paths = ResultsPaths(tmp_path / "kept")
    paths.root.mkdir()
    for path in (whole.checksums, *whole.root.glob("*.parquet")):
        shutil.copyfile(path, paths.root / path.name)
    return paths


def test_they_are_verified_as_such(kept: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in kept.root.iterdir()}
    assert run(["verify", str(kept.root)]) == 0
    output = capsys.readouterr().out
    assert SAYS in output
    assert "intact   trials.parquet: " in output
    assert {path: path.read_bytes() for path in kept.root.iterdir()} == before


def test_a_damaged_one_is_named_and_no_journal_is_said_to_have_its_rows(
    kept: ResultsPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(kept.table("epochs").read_bytes())
    content[len(content) // 2] ^= 1
    kept.table("epochs").write_bytes(content)
    kept.table("classes").unlink()
    assert run(["verify", str(kept.root)]) == 4
    output = capsys.readouterr().out
    assert "DAMAGED  epochs.parquet: " in output
    assert "DAMAGED  classes.parquet: it is gone; copy it again from where it was kept" in output
    assert "the journal has" not in output
    assert SAYS in output


@pytest.mark.parametrize("left", ["journal.seal", "journal.mark", "journal.sqlite-wal", ".lock", "checkpoints"])
def test_where_something_of_a_sweep_is_left_it_was_lost(
    kept: ResultsPaths, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept.root / left).write_bytes(b"")
    assert run(["verify", str(kept.root)]) == 4
    assert "DAMAGED  journal.sqlite: it is gone" in capsys.readouterr().out


def test_repair_makes_a_journal_of_them(kept: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["repair", str(kept.root)]) == 4, "what attempts had printed is in no table"
    assert "LOST what attempts had printed" in capsys.readouterr().out
    assert run(["verify", str(kept.root)]) == 0
    assert "tables alone" not in capsys.readouterr().out
    with closing(open_journal(kept)) as journal:
        assert journal.counts()["completed"] >= 1
