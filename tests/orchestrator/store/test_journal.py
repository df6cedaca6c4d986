"""The journal as the truth: what is committed stays, what is written twice counts once, damage is noticed."""

import errno
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engine import FailureKind
from orchestrator.errors import DamagedResults, InfrastructureLost, OrchError, UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sealing.inspection import JournalFiles
from orchestrator.store.sql import PlannedRow
from orchestrator.store.tables import export, read
from orchestrator.sweep.run import SweepRequest, run_sweep
from results_schema import TRIALS, VERSION
from tests.orchestrator import sample
from tests.orchestrator.sample import CNN_SGD, MLP_ADAM, MLP_SGD

ROOT = Path(__file__).parents[3]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.create_or_open(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def rows(journal: Journal, statement: str) -> list[tuple[object, ...]]:
    return list(journal.query(statement))


def test_everything_written_twice_counts_once(journal: Journal) -> None:
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    tables = ("trials", "epochs", "classes", "curves", "attempts", "environments", "logs", "cells")
    sample.complete(journal, MLP_SGD, 0, accuracy=0.9)
    once = {table: rows(journal, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables}
    sample.complete(journal, MLP_SGD, 0, accuracy=0.9)
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    assert {table: rows(journal, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables} == once
    assert all(once.values())


def test_a_second_attempt_replaces_the_epochs_of_the_first(journal: Journal) -> None:
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    sample.start(journal, MLP_SGD, 0, attempt=1)
    sample.epochs(journal, MLP_SGD, 0, [0.1, 0.2, 0.3], attempt=1)
    sample.fail(journal, MLP_SGD, 0, attempt=1, status=None, kind=FailureKind.WORKER_LOST)
    sample.start(journal, MLP_SGD, 0, attempt=2)
    sample.epochs(journal, MLP_SGD, 0, [0.7], attempt=2)
    assert rows(journal, "SELECT epoch, val_accuracy FROM epochs") == [(1, 0.7)]
    assert rows(journal, "SELECT attempt, status FROM attempts ORDER BY 1") == [(1, "worker_lost"), (2, "running")]
    assert journal.attempts() == {MLP_SGD.trial_id(0): 2}


def test_a_grid_with_one_more_level_keeps_rows_and_unplans_what_it_no_longer_names(journal: Journal) -> None:
    sample.plan(journal, [MLP_SGD, CNN_SGD], seeds=(0,))
    sample.complete(journal, MLP_SGD, 0, accuracy=0.9)
    sample.complete(journal, CNN_SGD, 0, accuracy=0.8)
    sample.plan(journal, [MLP_SGD, MLP_ADAM], seeds=(0,))
    assert journal.counts() == {"completed": 1, "pending": 1}
    assert rows(journal, "SELECT trial_id, planned, status, test_accuracy FROM trials ORDER BY rowid") == [
        (MLP_SGD.trial_id(0), 1, "completed", 0.9),
        (CNN_SGD.trial_id(0), 0, "completed", 0.8),
        (MLP_ADAM.trial_id(0), 1, "pending", None),
    ]
    sample.plan(journal, [CNN_SGD], seeds=(0,))
    assert journal.counts() == {"completed": 1}


def test_a_skipped_trial_waits_when_the_grid_lets_it_run_and_the_other_way_round(journal: Journal) -> None:
    sample.plan(journal, [MLP_SGD], seeds=(0,), skipped={MLP_SGD: "excluded"})
    assert rows(journal, "SELECT status, reason FROM trials") == [("skipped", "excluded")]
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    assert rows(journal, "SELECT status, reason FROM trials") == [("pending", None)]
    sample.plan(journal, [MLP_SGD], seeds=(0,), skipped={MLP_SGD: "excluded again"})
    assert rows(journal, "SELECT status, reason FROM trials") == [("skipped", "excluded again")]
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    sample.complete(journal, MLP_SGD, 0, accuracy=0.9)
    sample.plan(journal, [MLP_SGD], seeds=(0,), skipped={MLP_SGD: "excluded"})
    assert rows(journal, "SELECT status, test_accuracy FROM trials") == [("completed", 0.9)]  # it was run: that stays


@pytest.mark.parametrize(("again", "expected"), [((), "failed"), ({"failed", "timed_out", "out_of_memory"}, "pending")])
def test_what_failed_waits_again_only_when_asked_to(journal: Journal, again: set[str], expected: str) -> None:
    sample.plan(journal, [MLP_SGD], seeds=(0, 1))
    sample.fail(journal, MLP_SGD, 0)
    sample.diverge(journal, MLP_SGD, 1)
    with journal.planning("demo", again) as planning:
        rows_planned = [
            PlannedRow(MLP_SGD.trial_id(seed), MLP_SGD.cell_id, "evaluation", seed, "d", None) for seed in (0, 1)
        ]
        planning.add(MLP_SGD.row(), rows_planned)
    assert journal.statuses() == {MLP_SGD.trial_id(0): expected, MLP_SGD.trial_id(1): "diverged"}


def test_what_ran_when_the_sweep_was_killed_is_lost_and_waits_again(journal: Journal) -> None:
    sample.plan(journal, [MLP_SGD, CNN_SGD], seeds=(0,))
    sample.start(journal, MLP_SGD, 0)
    sample.start(journal, CNN_SGD, 0)
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    assert (
        rows(journal, "SELECT status, reason FROM attempts")
        == [("lost", "the sweep that ran it ended before it did")] * 2
    )
    # nobody runs it any more, so it must not stand as running, in the grid or not
    assert rows(journal, "SELECT planned, status FROM trials ORDER BY rowid") == [(1, "pending"), (0, "cancelled")]


WRITER = """
import os, sys
from pathlib import Path
from orchestrator.store.journal import Journal
from tests.orchestrator import sample
journal = Journal.create_or_open(Path(sys.argv[1]))
cells = [sample.Cell(model=f"mlp{number}") for number in range(10_000)]
sample.plan(journal, cells, seeds=(0,))
for number, cell in enumerate(cells):
    sample.complete(journal, cell, 0, accuracy=0.5)
    journal.commit()
    sample.start(journal, cells[number + 1], 0)  # not committed with it
    print(number, flush=True)
"""


def test_committed_rows_survive_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    committed = 0
    while committed < 25:
        committed = int(writer.stdout.readline()) + 1
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    journal = Journal.create_or_open(path)
    completed = rows(journal, "SELECT count(*) FROM trials WHERE status = 'completed' AND test_accuracy = 0.5")[0][0]
    assert isinstance(completed, int)
    assert completed >= committed
    assert rows(journal, "SELECT count(*) FROM epochs") == [(3 * completed,)]
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    assert "running" not in journal.statuses().values()
    journal.close()


FLUSHER = """
import os, sys
from pathlib import Path
from orchestrator.store.journal import Journal
from tests.orchestrator import sample
journal = Journal.create_or_open(Path(sys.argv[1]))
sample.plan(journal, [sample.MLP_SGD], seeds=(0, 1))
sample.start(journal, sample.MLP_SGD, 0)
journal.flush()
sample.start(journal, sample.MLP_SGD, 1)
os._exit(0)
"""


def test_what_is_flushed_outlasts_the_process_and_what_is_not_does_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    subprocess.run([sys.executable, "-c", FLUSHER, str(path)], cwd=ROOT, check=True)
    journal = Journal.create_or_open(path)
    assert rows(journal, "SELECT status FROM trials ORDER BY seed") == [("running",), ("pending",)]
    journal.close()


def test_a_commit_waits_for_the_disk_before_it_is_marked_and_a_flush_does_not(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought, bring, mark = [], os.fsync, JournalFiles(tmp_path / "journal.sqlite").wal_watermark

    def fsync(descriptor: int) -> None:
        brought.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), mark.read_bytes()))
        bring(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    sample.plan(journal, [MLP_SGD], seeds=(0,))
    journal.flush()
    assert not brought
    before = mark.read_bytes()
    journal.commit()
    assert brought == [(str(tmp_path / "journal.sqlite-wal"), before)]
    assert mark.read_bytes() != before


def test_a_log_that_does_not_reach_the_disk_is_no_commit(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sample.plan(journal, [MLP_SGD], seeds=(0,))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        with pytest.raises(InfrastructureLost, match="Input/output error"):
            journal.commit()


def test_a_sweep_that_was_killed_before_its_first_statement_leaves_nothing_to_repair(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    assert path.stat().st_size > 0
    journal = Journal.create_or_open(path)
    assert journal.counts() == {}
    journal.close()


# damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return sample.write_sample(tmp_path_factory.mktemp("whole")).journal.read_bytes()


def text_file(content: bytes) -> bytes:
    return b"these are my notes\n" * 100


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zeroed_page(content: bytes) -> bytes:
    return content[:4096] + bytes(4096) + content[8192:]


def flipped_header(content: bytes) -> bytes:
    return bytes([content[0] ^ 0xFF]) + content[1:]


@pytest.mark.parametrize("damage", [text_file, cut_in_half, zeroed_page, flipped_header])
def test_a_damaged_journal_is_said_to_be_damaged(whole: bytes, damage: object, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(damage(whole))  # type: ignore[operator]
    with pytest.raises(DamagedResults, match=r"journal\.sqlite is damaged.*`orch repair .*` repairs"):
        Journal.create_or_open(path)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_give_anything_but_an_error_of_ours(whole: bytes, seed: int, tmp_path: Path) -> None:
    """Flips in free space or inside a text are not noticed; everything that is noticed is DamagedResults."""
    numbers = random.Random(seed)
    content = bytearray(whole)
    for _ in range(20):
        content[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
    paths = ResultsPaths(tmp_path)
    paths.journal.write_bytes(bytes(content))
    try:
        journal = Journal.create_or_open(paths.journal)
        try:
            journal.statuses(), journal.attempts(), journal.counts(), journal.seconds_by_cell()
            sample.plan(journal, [MLP_SGD], seeds=(0,))
            export(journal, paths)
        finally:
            journal.close()
    except OrchError as error:
        assert isinstance(error, DamagedResults), error


def test_results_of_another_version_are_refused(tmp_path: Path) -> None:
    paths = sample.write_sample(tmp_path)
    written = Journal.create_or_open(paths.journal)
    written.remember("results_version", "99")
    written.close()
    for opening in (Journal.create_or_open, Journal.read):
        with pytest.raises(UserError, match="results version 99"):
            opening(paths.journal)


def older(folder: Path) -> ResultsPaths:
    """What an orch of results version 1 left of one trial of `digits`."""
    paths = ResultsPaths(folder)
    db = sqlite3.connect(paths.journal)
    db.executescript((Path(__file__).parent / "version_1.sql").read_text())
    db.close()
    return paths


def columns_of(journal: Path) -> list[str]:
    """Of its trials."""
    return [row[1] for row in sqlite3.connect(journal).execute("PRAGMA table_info(trials)")]


def test_a_journal_of_an_older_version_is_carried_over_and_its_copy_kept(tmp_path: Path) -> None:
    paths = older(tmp_path)
    reader = Journal.read(paths.journal)
    assert reader.counts() == {"completed": 1}, "who only reads"
    assert list(reader.query("SELECT purpose, tuned FROM trials")) == [("evaluation", None)]
    reader.close()
    assert "purpose" not in columns_of(paths.journal), "reading changes nothing"
    journal = Journal.create_or_open(paths.journal)
    assert journal.meta("results_version") == str(VERSION)
    assert journal.counts() == {"completed": 1}
    export(journal, paths)
    journal.close()
    (row,) = read(TRIALS, paths).to_pylist()
    assert (row["status"], row["test_accuracy"]) == ("completed", 0.2924791086350975)
    joined = set(columns_of(paths.journal)) - set(columns_of(paths.root / "journal-version-1.sqlite"))
    filled = {"purpose": "evaluation", "trainable_parameters": 310, "total_seconds": row["train_seconds"]}
    assert {name: row[name] for name in joined if row[name] is not None} == filled


def test_an_older_journals_columns_are_those_of_a_new_one(tmp_path: Path) -> None:
    Journal.create_or_open(older(tmp_path).journal).close()
    (tmp_path / "new").mkdir()
    Journal.create_or_open(tmp_path / "new" / "journal.sqlite").close()

    def columns(path: Path) -> dict[str, set[tuple[str, str, int]]]:
        db = sqlite3.connect(path)
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: {row[1:4] for row in db.execute(f'PRAGMA table_info("{table}")')} for table in tables}

    assert columns(tmp_path / "journal.sqlite") == columns(tmp_path / "new" / "journal.sqlite")


def test_what_an_older_orch_finished_does_not_run_again(tmp_path: Path) -> None:
    paths = older(tmp_path)
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "name: old\n"
        "axes: {dataset: digits, model: {name: mlp, hidden: [4]}, optimizer: {name: sgd, lr: 0.1}, regularizer: none}\n"
        "protocol: {epochs: 1}\nwandb: {mode: disabled}\n"
    )
    summary = run_sweep(SweepRequest(grid=grid, engine="inline", results=paths.root), SilentProgress())
    assert (summary.ran, summary.counts) == (0, {"completed": 1})


def test_a_folder_in_the_journals_place(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").mkdir()
    with pytest.raises(UserError, match="cannot open"):
        Journal.create_or_open(tmp_path / "journal.sqlite")


FULL = """
import resource, sys
from pathlib import Path
from orchestrator.errors import OrchError
from orchestrator.store.journal import Journal
from tests.orchestrator import sample
journal = Journal.create_or_open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for number in range(10_000):
        sample.plan(journal, [sample.Cell(model=f"mlp{number}")], seeds=(0,))
        journal.commit()
except OrchError as error:
    print(type(error).__name__, error)
"""


def test_no_space_left_is_not_damage(tmp_path: Path) -> None:
    """The limit on a file's size stands for a disk that is full: SQLite gets an error from the same system call."""
    path = tmp_path / "journal.sqlite"
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith(f"{InfrastructureLost.__name__} cannot write {path}"), ended.stdout
    assert "free disk space" in ended.stdout
    journal = Journal.create_or_open(path)
    assert journal.counts()["pending"] == 1
    journal.close()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
