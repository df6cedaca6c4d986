"""What one look says, beside what the journal holds."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from orchestrator.watch.look import Look, as_json
from orchestrator.watch.reading import ResultsReader
from tests.orchestrator.sample import (
    CELLS,
    CNN_ADAM,
    CNN_SGD,
    MLP_ADAM,
    MLP_SGD,
    REASON_OF_FAILURE,
    RESNET_SGD,
    Cell,
    complete,
    diverge,
    epochs,
    fail,
    plan,
    start,
    write_regression,
    write_running,
    write_sample,
)
from tests.orchestrator.tuned_sample import write_tuned


def test_a_sweep_that_runs_is_seen_with_its_slots_and_their_curves(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    reader = ResultsReader(paths.root)
    with ResultsLock(paths):
        look = reader.look()
    journal.close()
    assert (look.state, look.sweep) == ("running", "demo")
    assert look.counts is not None
    assert (look.counts.done, look.counts.planned) == (1, 4)
    assert look.eta_seconds is not None
    (slot,) = look.slots
    assert (slot.trial_id, slot.slot, slot.host) == (CNN_SGD.trial_id(0), "slot-0", "bench-1")
    assert (slot.epoch, slot.epochs, slot.phase, slot.name) == (2, 3, "training", "seed 0")
    grows, best = look.curves
    assert (grows.trial_id, grows.grows, grows.values) == (slot.trial_id, True, (0.5, 0.6))
    assert (best.trial_id, best.grows, best.values) == (MLP_SGD.trial_id(0), False, pytest.approx((0.7, 0.8, 0.9)))


@pytest.mark.parametrize(("done", "phase"), [(0, "preparing"), (1, "training"), (3, "evaluating")])
def test_the_phase_is_told_by_the_epochs(tmp_path: Path, done: int, phase: str):
    paths = ResultsPaths(tmp_path / "demo")
    with closing(Journal.create_or_open(paths.journal)) as journal, ResultsLock(paths):
        plan(journal, (MLP_SGD,), seeds=(0,))
        start(journal, MLP_SGD, 0)
        epochs(journal, MLP_SGD, 0, [0.5] * done)
        journal.commit()
        (slot,) = ResultsReader(paths.root).look().slots
    assert slot.phase == phase


def test_cells_are_ranked_by_validation_and_the_test_split_waits_for_the_end(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    complete(journal, CNN_SGD, 0, accuracy=0.7)
    journal.commit()
    reader = ResultsReader(paths.root)
    (board,) = reader.look().boards
    assert board.measure.validation == "val_accuracy"
    assert [(cell.validation, cell.test, cell.completed, cell.trials) for cell in board.cells] == [
        (0.9, None, 1, 2),
        (0.7, None, 1, 2),
    ]
    for cell in (MLP_SGD, CNN_SGD):
        complete(journal, cell, 1, accuracy=0.8)
    journal.close()
    look = reader.look()
    assert look.state == "ended"
    assert [(cell.validation, cell.test) for cell in look.boards[0].cells] == [
        (pytest.approx(0.85), pytest.approx(0.85)),
        (pytest.approx(0.75), pytest.approx(0.75)),
    ]


def test_a_measure_that_is_better_when_low_ranks_the_lowest_first(tmp_path: Path):
    (board,) = ResultsReader(write_regression(tmp_path / "numbers").root).look().boards
    assert not board.higher_is_better
    assert [cell.validation for cell in board.cells] == [0.25, 0.5]


def test_what_the_grid_selects_by_ranks(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "demo")
    by_loss = (Cell(select="val_loss"), Cell(model="cnn", select="val_loss"))
    with closing(Journal.create_or_open(paths.journal)) as journal:
        plan(journal, by_loss, seeds=(0,))
        complete(journal, by_loss[0], 0, accuracy=0.6)
        complete(journal, by_loss[1], 0, accuracy=0.9)
    (board,) = ResultsReader(paths.root).look().boards
    assert (board.measure.validation, board.higher_is_better) == ("val_cross_entropy", False)
    assert [cell.validation for cell in board.cells] == [pytest.approx(0.1), pytest.approx(0.4)]


def test_failures_have_their_reasons_the_latest_first(tmp_path: Path):
    look = ResultsReader(write_sample(tmp_path / "demo").root).look()
    assert {(one.trial_id, one.status, one.reason) for one in look.failures} == {
        (CNN_ADAM.trial_id(0), "failed", REASON_OF_FAILURE),
        (CNN_ADAM.trial_id(1), "out_of_memory", "64 MiB were asked for"),
    }
    assert look.state == "stopped"  # one was cancelled, and waits
    (board,) = look.boards
    assert [cell.broken for cell in board.cells] == [1, 0, 0, 0]


def test_trials_that_tune_are_counted_and_stand_on_no_board(tmp_path: Path):
    look = ResultsReader(write_tuned(tmp_path / "tuned").root).look()
    assert look.counts is not None
    assert (look.counts.planned, look.counts.tuning) == (18, 12)
    assert sum(cell.trials for board in look.boards for cell in board.cells) <= 6


def test_results_that_come_and_go(tmp_path: Path):
    root = tmp_path / "demo"
    reader = ResultsReader(root)
    assert (reader.look().state, "is not there yet" in reader.look().message) == ("absent", True)
    root.mkdir()
    assert (reader.look().state, "has no journal yet" in reader.look().message) == ("absent", True)
    write_sample(root)
    assert reader.look().state == "stopped"
    shutil.rmtree(root)
    gone = reader.look()
    assert (gone.state, gone.counts, gone.boards) == ("removed", None, ())


def test_others_in_the_place_of_those_that_were_read_are_read_anew(tmp_path: Path):
    root = tmp_path / "demo"
    reader = ResultsReader(root)
    write_sample(root)
    assert len(reader.look().boards[0].cells) == 4
    shutil.rmtree(root)
    write_regression(root)
    (board,) = reader.look().boards
    assert (board.dataset, len(board.cells)) == ("brightness", 2)


@pytest.mark.parametrize("content", [b"", b"not a database at all, not at all" * 100])
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes):
    paths = write_sample(tmp_path / "demo")
    reader = ResultsReader(paths.root)
    reader.look()
    paths.journal.write_bytes(content)
    look = reader.look()
    assert look.state == "unreadable"
    assert str(paths.root) in look.message


def test_looking_leaves_nothing_behind_and_changes_nothing(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    before = {file.name: file.read_bytes() for file in paths.root.iterdir() if file.is_file()}
    reader = ResultsReader(paths.root)
    reader.stamp()
    reader.look()
    after = {file.name: file.read_bytes() for file in paths.root.iterdir() if not file.name.endswith(("-shm", "-wal"))}
    assert after == {name: content for name, content in before.items() if not name.endswith(("-shm", "-wal"))}


def test_a_look_is_one_line_of_json_without_what_could_steer_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LAB_API_KEY", "s3cr3t-of-the-lab")
    paths = ResultsPaths(tmp_path / "demo")
    with closing(Journal.create_or_open(paths.journal)) as journal:
        plan(journal, (MLP_SGD,), seeds=(0, 1))
        diverge(journal, MLP_SGD, 1)
        fail(journal, MLP_SGD, 0, reason="key s3cr3t-of-the-lab\nwas \u202erefused\x1b[2J")
    text = as_json(ResultsReader(paths.root).look())
    assert "\n" not in text
    assert "s3cr3t" not in text
    (failure,) = json.loads(text)["failures"]
    assert failure["reason"] == "key [LAB_API_KEY]\nwas \u202erefused\x1b[2J"
    assert "\u202e" not in text


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["complete", "fail", "retried", "diverge", "start", "plan", "cancel", "look"]),
        st.integers(0, len(CELLS) - 1),
        st.integers(0, 2),
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_looks_one_after_another_see_what_a_first_look_sees(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
):
    paths = ResultsPaths(tmp_path_factory.mktemp("steps") / "demo")
    reader = ResultsReader(paths.root)
    with closing(Journal.create_or_open(paths.journal)) as journal:
        plan(journal, CELLS, seeds=(0, 1, 2))
        journal.commit()
        for step, cell, seed in steps:
            _take(journal, step, CELLS[cell], seed)
            journal.commit()
            if step == "look":
                assert _told(reader.look()) == _told(ResultsReader(paths.root).look())
        assert _told(reader.look()) == _told(ResultsReader(paths.root).look())


def _take(journal: Journal, step: str, cell: Cell, seed: int) -> None:
    match step:
        case "complete":
            complete(journal, cell, seed, accuracy=0.5 + seed / 10)
        case "fail":
            fail(journal, cell, seed)
        case "retried":
            fail(journal, cell, seed, status=None)
        case "diverge":
            diverge(journal, cell, seed)
        case "start":
            start(journal, cell, seed)
        case "cancel":
            journal.cancel_running("stopped")
        case "plan":  # as another invocation of a smaller or larger grid
            plan(journal, CELLS[: 2 + seed], seeds=(0, 1, 2)[: 1 + seed])


def _told(look: Look) -> tuple[object, ...]:
    return look.counts, look.boards, look.axes, look.curves, look.failures, look.slots


def test_only_what_moves_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    paths = ResultsPaths(tmp_path / "demo")
    asked: list[str] = []
    query = Journal.query

    def watched(journal: Journal, statement: str, parameters: tuple[object, ...] = ()):
        asked.append(statement)
        return query(journal, statement, parameters)

    monkeypatch.setattr(Journal, "query", watched)
    with closing(Journal.create_or_open(paths.journal)) as journal:
        plan(journal, (MLP_SGD, MLP_ADAM, RESNET_SGD), seeds=(0, 1))
        complete(journal, MLP_SGD, 0, accuracy=0.9)
        journal.commit()
        reader = ResultsReader(paths.root)
        reader.look()
        asked.clear()
        complete(journal, MLP_ADAM, 1, accuracy=0.8)
        journal.commit()
        look = reader.look()
    assert len(look.boards[0].cells) == 2
    of_trials = [one for one in asked if "val_accuracy" in one and "FROM trials" in one]
    assert all("json_each" in one for one in of_trials) and of_trials
