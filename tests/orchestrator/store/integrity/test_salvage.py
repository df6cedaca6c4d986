"""Reading what is left of a table."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.store.integrity import rebuild
from orchestrator.store.integrity.rebuild import _Reader
from orchestrator.store.integrity.scratch import Scratch


@pytest.mark.parametrize("last", [3_000, 2**60])
def test_a_damaged_page_costs_its_rows_and_a_row_number_that_is_garbage_costs_no_time(
    tmp_path: Path, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "LOOKED_FOR", 5_000)
    path = tmp_path / "table.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (k INTEGER, text TEXT)")
        db.executemany("INSERT INTO t (rowid, k, text) VALUES (?, ?, ?)", [(n, n, "x" * 50) for n in range(1, 2_000)])
        db.execute("INSERT INTO t (rowid, k, text) VALUES (?, 0, 'the last')", (last,))
        db.commit()
        size = db.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(path.read_bytes())
    middle = len(content) // size // 2 * size
    content[middle : middle + size] = b"\xa5" * size
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as db:
        reader = _Reader(db, "SELECT rowid, k, text FROM t", "rowid", plain=True)
        rows = [k for _, k, _ in sorted(reader.rows())]
    assert not reader.complete
    lost = set(range(2_000)) - set(rows)
    assert 0 < len(lost) < 200
    assert max(lost) - min(lost) == len(lost) - 1, "they are neighbours, of the one page"
    assert rows[-1] == 0, "the last is there"
    assert len(rows) == len(set(rows))


def test_columns_may_be_called_as_the_repair_thinks_of_its_own(tmp_path: Path) -> None:
    columns = ("trial_id", "epoch", "place", "number", "from")
    with Scratch(tmp_path / "scratch.sqlite") as scratch:
        assert scratch.add("tables", "epochs", columns, [(1, "b", 1, 2, 3, 4), (0, "a", 1, 5, 6, 7)]) == 2
        assert scratch.rows("tables", "epochs", number=6) == [dict(zip(columns, ("a", 1, 5, 6, 7), strict=True))]
        assert list(scratch.keys("tables", "epochs", "place")) == [5, 2]
