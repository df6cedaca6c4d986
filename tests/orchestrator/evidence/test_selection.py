"""Whatever ranks, crowns or says "best" goes by the grid's own selection, and by no test score before all have ended."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.engine import AttemptFinished, EpochDone
from orchestrator.errors import UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.report.contents import read_page
from orchestrator.report.page_data import DataTable
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.sweep.estimate import SweepEstimate, headline
from orchestrator.sweep.goal import Goal
from orchestrator.sweep.run import SweepRequest, run_sweep, run_trial
from orchestrator.wandb.board_content import read_content
from tests.orchestrator import sample
from tests.orchestrator.processes import PATIENCE
from tests.orchestrator.sample import BEGIN, Cell
from tests.trainables.epoch_rows import epoch_row
from trainables.columns import Scores
from trainables.context import Context
from trainables.protocol import Protocol
from trainables.records import Breakdown, TrialResult
from trainables.spec import TrialTask
from trainables.tasks.classification import Classification, ClassificationScores
from trainables.tasks.regression import Regression, RegressionScores

FAIR, LAZY = {"accuracy": 0.80, "balanced_accuracy": 0.78}, {"accuracy": 0.90, "balanced_accuracy": 0.50}
"""Of data where nine in ten are of one class: who always says that one is right nine times in ten."""
FAIR_LOSS, LAZY_LOSS = FAIR | {"cross_entropy": 0.7, "loss": 0.7}, LAZY | {"cross_entropy": 0.3, "loss": 0.3}
CLOSE, STEADY = {"mse": 4.0, "mae": 0.5, "r2": 0.3, "loss": 4.0}, {"mse": 2.0, "mae": 1.0, "r2": 0.6, "loss": 2.0}
"""Of numbers: small errors with one that is large, and middling ones."""


def measured(values: dict[str, float]) -> Scores:
    """Of classes or of numbers, whichever these are."""
    if values.keys() & {"mse", "mae", "r2"}:
        return RegressionScores(**{"loss": 1.0, "mse": 1.0, "mae": 1.0, "r2": 0.0, **values})
    return ClassificationScores(**{"loss": 1.0, **values})


def write(
    root: Path, scores: dict[Cell, dict[str, float]], seeds: int = 2, waiting: Sequence[Cell] = (), test: float = 0.0
) -> ResultsPaths:
    """Each cell's scores for all seeds; on the test split they are so much greater."""
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    sample.plan(journal, [*scores, *waiting], seeds=range(seeds))
    for cell, values in scores.items():
        for seed in range(seeds):
            sample.start(journal, cell, seed)
            val = measured(values)
            journal.epoch_done(EpochDone(cell.trial_id(seed), 1, replace(epoch_row(seconds=0.5), val=val)))
            ended = replace(
                sample.result(val, epochs=1, breakdown=Breakdown()),
                test=measured({name: value + test for name, value in {"loss": 1.0, **values}.items()}),
            )
            journal.attempt_finished(AttemptFinished(cell.trial_id(seed), 1, ended, BEGIN, ""))
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def titles(grid: DataTable) -> list[str]:
    return [column.title for column in grid.columns]


def column(grid: DataTable, title: str) -> list[object]:
    return [row[titles(grid).index(title)] for row in grid.rows]


SELECTED = [
    ("val_balanced_accuracy", FAIR, LAZY, "test balanced accuracy", 0.78),
    ("val_loss", LAZY_LOSS, FAIR_LOSS, "test cross-entropy", 0.3),
    ("val_accuracy", LAZY, FAIR, "test accuracy", 0.90),
    ("last", LAZY, FAIR, "test accuracy", 0.90),
    (None, LAZY, FAIR, "test accuracy", 0.90),
    ("val_mae", CLOSE, STEADY, "test mean absolute error", 0.5),
    ("val_r2", STEADY, CLOSE, "test R²", 0.6),
    ("val_mse", STEADY, CLOSE, "test mean squared error", 2.0),
    ("val_loss", STEADY, CLOSE, "test mean squared error", 2.0),
]


@pytest.mark.parametrize(("select", "best", "other", "title", "score"), SELECTED)
def test_all_that_ranks_goes_by_what_the_grid_selects_by(
    select: str | None,
    best: dict[str, float],
    other: dict[str, float],
    title: str,
    score: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # the one that another measure puts first stands first in the plan
    paths = write(tmp_path / "demo", {Cell(model="cnn", select=select): other, Cell(select=select): best})
    page = read_page(paths)
    assert page.winners[0].label.startswith("mlp ")
    assert page.winners[0].title.startswith(f"mean {title} over 2 seeds; chosen by validation {title[5:]}")
    (board,) = page.boards
    assert column(board.grid, "model") == ["mlp", "cnn"]
    assert column(board.grid, title)[0][0] == score  # type: ignore[index]
    assert column(page.all_trials, "model") == ["mlp", "mlp", "cnn", "cnn"]
    assert page.cells.cells[0].mean == score
    assert [effects.measure for effects in page.effects] in ([], [title])
    cells = orchestrator.load(paths.root).cells()
    assert (cells["model"].iloc[0], cells["mean"].iloc[0]) == ("mlp", score)
    content = read_content(paths)
    assert "digits: mlp" in content.summary[1]
    (leaderboard,) = [text for name, text in content.tables if name == "Leaderboard of digits"]
    assert f"mean {title}" in leaderboard.splitlines()[0].replace("\\", "")
    best_panels = [name for section in content.sections for name, *_ in section.scalars]
    assert best_panels == [f"val_{cells['measure'].iloc[0].removeprefix('test_')}"], "no test score crowns a run"
    capsys.readouterr()
    assert run(["results", str(paths.root), "--json"]) == 0
    assert [row["model"] for row in json.loads(capsys.readouterr().out)] == ["mlp", "mlp", "cnn", "cnn"]
    assert run(["results", str(paths.root)]) == 0
    head = capsys.readouterr().out.split("─")[0].split()
    assert {cells["measure"].iloc[0], best_panels[0]} <= set(head)
    assert run(["report", str(paths.root), "--format", "md"]) == 0
    assert f"**mlp · sgd lr=0.1 · none**, {score:.4f}" in (paths.root / "report.md").read_text(encoding="utf-8")


def test_data_sets_are_ranked_each_by_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skewed = {
        Cell("skewed", model, select="val_balanced_accuracy"): values
        for model, values in (("cnn", LAZY), ("mlp", FAIR))
    }
    ages = {Cell("ages", model, select="val_mae"): values for model, values in (("cnn", STEADY), ("mlp", CLOSE))}
    paths = write(tmp_path / "demo", skewed | ages, seeds=1)
    assert [first.label.split()[0] for first in read_page(paths).winners] == ["mlp", "mlp"]
    assert run(["results", str(paths.root), "--columns", "dataset,model", "--csv"]) == 0
    assert capsys.readouterr().out.split() == ["dataset,model", "skewed,mlp", "skewed,cnn", "ages,mlp", "ages,cnn"]
    assert run(["results", str(paths.root)]) == 0
    assert (
        "the best of each data set first, by val_balanced_accuracy (skewed), val_mae (ages)" in capsys.readouterr().err
    )
    with pytest.raises(UserError, match="say `on`"):
        orchestrator.load(paths.root).compare({"model": "cnn"}, {"model": "mlp"})


def test_cells_that_select_by_different_measures_are_said_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = {
        Cell(model="cnn", select="val_balanced_accuracy"): LAZY,
        Cell(select="val_balanced_accuracy"): FAIR,
        Cell(model="resnet", select="val_loss"): LAZY_LOSS,
        Cell(model="vit", select="last"): FAIR,
    }
    paths = write(tmp_path / "demo", cells)
    page = read_page(paths)
    assert "ranked by validation balanced accuracy, though some select by cross-entropy" in page.boards[0].summary
    assert "though some cells select by cross-entropy" in page.winners[0].title
    assert run(["results", str(paths.root)]) == 0
    assert "some trials of digits select by cross-entropy" in capsys.readouterr().err


def test_what_the_latest_grid_selects_by_counts(tmp_path: Path) -> None:
    paths = write(tmp_path / "demo", {Cell(model="cnn"): LAZY, Cell(): FAIR})
    now = {Cell(model="cnn", select="val_balanced_accuracy"): LAZY, Cell(select="val_balanced_accuracy"): FAIR}
    write(tmp_path / "demo", now)
    assert read_page(paths).winners[0].label.startswith("mlp ")
    order = orchestrator.load(paths.root).cells()["model"]
    assert list(order) == ["mlp", "cnn"]


def test_a_skipped_cell_has_no_say(tmp_path: Path) -> None:
    paths = ResultsPaths(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    odd = [Cell(model=f"m{number}", select="val_mae") for number in range(3)]
    sample.plan(journal, [*odd, Cell()], seeds=(0,), skipped=dict.fromkeys(odd, "the task does not measure it"))
    sample.complete(journal, Cell(), 0, accuracy=0.9)
    journal.commit()
    export(journal, paths)
    journal.close()
    assert column(read_page(paths).boards[0].grid, "test accuracy")[0] == (0.9, None, None)


@pytest.fixture
def under_way(tmp_path: Path) -> ResultsPaths:
    cells = {Cell(): FAIR, Cell(model="cnn"): LAZY, Cell(model="resnet"): FAIR}
    return write(tmp_path / "demo", cells, waiting=(Cell("other"),), test=0.07)


def test_nothing_of_the_test_split_is_shown_while_trials_have_still_to_run(
    under_way: ResultsPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    page = read_page(under_way)
    first = page.winners[0]
    assert (first.score, first.title) == (
        "0.9000",
        "mean validation accuracy over 2 seeds; chosen by validation accuracy",
    )
    assert "cells are not compared" in first.sure[0].what
    assert not any(
        "test" in title or "p (" in title for title in [*titles(page.boards[0].grid), *titles(page.all_trials)]
    )
    assert column(page.boards[0].grid, "place") == ["1", "2", "2"]
    assert page.cells.cells[0].mean == 0.9
    assert page.effects == page.ranks == page.breakdowns.cells == ()
    assert not any(cell.ties for cell in page.cells.cells)
    assert "on validation: test scores are shown once all have ended" in page.notices[0].what
    cells = orchestrator.load(under_way.root).cells()
    assert (cells["measure"].iloc[0], cells["mean"].iloc[0]) == ("val_accuracy", 0.9)
    assert run(["results", str(under_way.root)]) == 0
    output, errors = capsys.readouterr()
    assert "test_" not in output
    assert "shown once all trials have ended, or with --columns" in errors
    assert run(["results", str(under_way.root), "--columns", "test_accuracy", "--limit", "1"]) == 0
    assert "0.9700" in capsys.readouterr().out, "who asks for it gets it"
    content = read_content(under_way)
    assert not any("test" in name for section in content.sections for name, *_ in (*section.bars, *section.parallel))
    assert not any(section.confusion for section in content.sections)
    assert "0.97" not in " ".join([*content.summary, *(text for _, text in content.tables)])


@pytest.mark.parametrize("format_", ["md", "html"])
def test_no_report_holds_a_test_score_while_trials_have_still_to_run(under_way: ResultsPaths, format_: str) -> None:
    assert run(["report", str(under_way.root), "--format", format_]) == 0
    text = (under_way.root / f"report.{format_}").read_text(encoding="utf-8")
    assert "0.9" in text
    assert not {"0.97", "0.87", "0.57"} & set(text.replace(",", " ").split())


def test_it_is_shown_when_all_have_ended_or_were_cancelled(under_way: ResultsPaths) -> None:
    journal = Journal.create_or_open(under_way.journal)
    for seed in (0, 1):
        sample.start(journal, Cell("other"), seed)
    journal.cancel_running("the sweep was stopped")
    journal.commit()
    export(journal, under_way)
    journal.close()
    assert read_page(under_way).winners[0].score == "0.9700"


@pytest.mark.parametrize(
    ("task", "select", "better", "worse", "message"),
    [
        (Classification(), "val_balanced_accuracy", FAIR, LAZY, "validation balanced accuracy 0.7800"),
        (Classification(), "val_loss", LAZY_LOSS, FAIR_LOSS, "validation loss 0.3"),
        (Classification(), "last", LAZY, FAIR, "validation accuracy 0.9000"),
        (Regression(), None, STEADY, CLOSE, "validation loss 2"),
        (Regression(), "val_mae", CLOSE, STEADY, "validation mae 0.5"),
        (Regression(), "val_r2", STEADY, CLOSE, "validation r2 0.6000"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_best_so_far_is_the_best_by_the_selection_on_validation(
    task: Classification | Regression,
    select: str | None,
    better: dict[str, float],
    worse: dict[str, float],
    message: str,
    turned: bool,
) -> None:
    goal, estimate = Goal.of(Protocol(select=select), task), SweepEstimate(Counter(), expected=2.0)
    for name, values in sorted({"better": better, "worse": worse}.items(), reverse=turned):
        val = measured(values)
        result = replace(
            sample.result(val, epochs=3, breakdown=Breakdown()), test=ClassificationScores(loss=0.0, accuracy=1.0)
        )
        estimate.concluded(1.0, name, result, goal)
        assert "test" not in headline(result, goal)
    assert estimate.best == f"{message}: better"


def test_a_longer_sweep_hides_the_test_split_again_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables of the shorter one would say for a while that all has ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.sweep.session.PERIOD", 1e6)  # none but the first
    seen: list[bool] = []

    def look(trial_task: TrialTask, context: Context) -> TrialResult:
        if trial_task.spec.seed == 2:
            ends = time.monotonic() + PATIENCE / 4
            while not (hidden := not titles_with_test(tmp_path / "results" / "demo")) and time.monotonic() < ends:
                time.sleep(0.05)
            seen.append(hidden)
        return run_trial(trial_task, context)

    grid = "name: demo\naxes: {dataset: digits, model: {name: mlp, hidden: [4]}, optimizer: sgd, regularizer: none}\n"
    for seeds in (2, 3):
        Path("grid.yaml").write_text(f"{grid}seeds: {seeds}\nprotocol: {{epochs: 1}}\nwandb: {{mode: disabled}}\n")
        run_sweep(SweepRequest(Path("grid.yaml"), engine="inline", run_trial=look), SilentProgress())
    assert seen == [True]
    assert titles_with_test(tmp_path / "results" / "demo")


def titles_with_test(root: Path) -> list[str]:
    return [title for title in titles(read_page(ResultsPaths(root)).all_trials) if title.startswith("test ")]
