"""What the page says, beside scores of our choice."""

import statistics
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator.cli import run
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.report.page import Page
from orchestrator.report.page_data import DataTable
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.marks import slow_but
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import (
    CELLS,
    CNN_SGD,
    MLP_SGD,
    SKIPPED,
    Cell,
    complete,
    fail,
    plan,
    write_regression,
    write_running,
    write_sample,
)
from trainables import AXES

MLP, CNN, RESNET, VIT = (Cell(model=model) for model in ("mlp", "cnn", "resnet", "vit"))
WAVE = [0.01 * (seed % 5) for seed in range(10)]
LOW, HIGH = [0.80 + wave for wave in WAVE], [0.85 + wave + 0.001 * (seed % 3) for seed, wave in enumerate(WAVE)]
NEAR = [value - 0.0001 * (-1) ** seed for seed, value in enumerate(HIGH)]
"""As good as `HIGH`: above it in every other seed."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read_page(write_sample(tmp_path_factory.mktemp("results") / "demo"))


def table(grid: DataTable) -> list[dict[str, Any]]:
    return [dict(zip([column.title for column in grid.columns], row, strict=True)) for row in grid.rows]


def test_the_leaderboard_has_means_intervals_ties_and_what_broke(tmp_path: Path):
    near = [*NEAR[:8], "diverged", "failed"]
    page = read_page(write(tmp_path / "demo", {MLP: LOW, CNN: HIGH, RESNET: near, VIT: NEAR}))
    cnn, vit, mlp, resnet = table(page.boards[0].grid)
    assert (cnn["model"], cnn["place"], vit["place"], mlp["place"], resnet["place"]) == ("cnn", "=1", "=1", "3", "4")
    assert resnet["test accuracy"][0] == pytest.approx((sum(near[:8]) + 2 / 3) / 10, rel=1e-5), "chance of three"
    mean, low, high = cnn["test accuracy"]
    assert mean == pytest.approx(statistics.mean(HIGH), abs=1e-6)
    assert low < mean < high and high - low > max(HIGH) - min(HIGH), "splits are redrawn: n_test / n_train counts too"
    assert cnn["± sd"] == pytest.approx(statistics.stdev(HIGH), abs=1e-6)
    assert (resnet["n"], resnet["trials"]) == (8, "8 completed, 1 diverged, 1 failed")
    assert mlp["p (Holm)"] < 0.001
    (first,) = page.winners
    assert first.label.startswith("cnn ")
    told, left, about, luck = first.sure
    assert told.what == "1 of 3 others cannot be distinguished from it at 5 %, after Holm's correction."
    assert left.what.endswith(" cannot distinguish it from 1 more: it takes 7 seeds.")
    assert about.what == "The interval is about pictures like these."
    assert luck.what.startswith("Chosen as the best of 4, it owes part of its score to luck")
    assert luck.do == "orch sweep GRID --confirm"
    assert page.failures.startswith("1 cell has trials that broke (1 diverged, 1 failed).")
    assert (
        "1 has trials that diverged or failed, which count as 0.3333 (chance) in mean, rank and p"
        in page.boards[0].summary
    )


def test_one_seed_tells_nothing_apart(page: Page):
    assert [row["place"] for row in table(page.boards[0].grid)] == ["1", "2", "3", "4", "–", "–"]
    assert "cannot distinguish it from the other 3: it takes 7 seeds" in page.winners[0].sure[0].what
    assert table(page.boards[0].grid)[0]["test accuracy"] == (0.96, None, None)


def test_cells_of_the_charts_have_their_levels_costs_and_gap(page: Page):
    cells = page.cells
    assert [axis.levels for axis in cells.axes[:2]] == [("digits",), ("mlp", "cnn", "resnet", "lstm")]
    half = next(cell for cell in cells.cells if cell.statuses == "1 completed, 1 diverged")
    assert cells.axes[1].levels[half.at[1]] == "cnn"
    assert (half.mean, half.train, half.n) == (pytest.approx((0.99 + 1 / 3) / 2, rel=1e-5), 0.99, 1)
    assert dict(zip((cost.title for cost in cells.costs), half.costs, strict=True))["parameters"] == 5000


def test_curves_are_means_over_completed_seeds_best_first(page: Page):
    models = [page.cells.axes[1].levels[page.cells.cells[curve.cell].at[1]] for curve in page.curves.curves]
    assert models == ["mlp", "mlp", "resnet", "cnn"]
    assert page.curves.measures == ("validation accuracy", "training loss", "validation loss")
    sgd = page.curves.curves[1]
    line = sgd.lines[0]
    assert (sgd.epochs, sgd.seeds) == ((1, 2, 3), 2)
    assert line.mean == pytest.approx([0.72, 0.82, 0.92])
    assert (line.low, line.high) == (pytest.approx([0.70, 0.80, 0.90]), pytest.approx([0.74, 0.84, 0.94]))
    assert (page.curves.curves[-1].seeds, page.curves.curves[-1].lines[0].low) == (1, ())  # the other one diverged


def test_confusion_counts_are_summed_over_seeds_and_roc_curves_averaged(page: Page):
    item = next(item for item in page.breakdowns.cells if page.cells.cells[item.cell].n == 2)
    wrong = round(300 * 0.05) + round(300 * 0.03)  # of the two seeds of the better mlp
    assert item.counts == ((200 - wrong, wrong, 0), (0, 200, 0), (0, 0, 200))
    mean = item.rocs[0]
    at = dict(zip(page.breakdowns.rates, mean.thousandths, strict=True))
    assert mean.class_index == -1
    # the sample's curve goes through (0, 0), (0.5, 0.7071) and (1, 1)
    assert (at[0], at[0.25], at[1]) == (0, round(1000 * 0.5**0.5 / 2), 1000)


def test_everything_that_did_not_complete_has_its_reason(page: Page):
    found = {(row["model"], row["status"]): row for row in table(page.problems)}
    assert found["cnn", "diverged"]["reason"] == "the loss became NaN in epoch 2"
    assert (found["lstm", "skipped"]["reason"], found["lstm", "skipped"]["seeds"]) == (SKIPPED, "0, 1")
    assert {status for _, status in found} == {"diverged", "failed", "out_of_memory", "cancelled", "skipped"}


def test_regression_is_shown_by_its_squared_error(tmp_path: Path):
    page = read_page(write_regression(tmp_path / "numbers"))
    assert [row["test mean squared error"][0] for row in table(page.boards[0].grid)] == [0.25, 0.5]
    assert not page.cells.datasets[0].higher_is_better
    assert page.curves.curves[0].lines[0].mean == (0.5, 0.25)
    assert page.breakdowns.cells == ()


def test_axes_and_levels_are_compared(tmp_path: Path):
    adam = [Cell(model=model, optimizer="adam lr=0.003") for model in ("mlp", "cnn", "resnet")]
    scores = {MLP: LOW, CNN: HIGH, RESNET: [0.9] * 10}
    page = read_page(write(tmp_path / "demo", scores | dict(zip(adam, scores.values(), strict=True))))
    (effects,) = page.effects
    assert (effects.shares[0].term, effects.shares[-1].term) == ("model", "left over")
    assert effects.shares[0].share > 0.5
    assert next(one.share for one in effects.shares if one.term == "optimizer") == pytest.approx(0, abs=1e-9)
    (ranks,) = page.ranks  # an optimizer of two levels has none
    assert (ranks.axis, ranks.blocks, ranks.levels) == ("model", 1, ())
    assert "need 5 data sets with different content; here is 1" in ranks.lacking


def ranked_over(tmp_path: Path, datasets: dict[str, str]) -> Page:
    """datasets: name to content. The net that is best on the first data set is the worst on all others."""
    means = {"cnn": 0.9, "resnet": 0.8, "mlp": 0.7}
    cells = {
        Cell(dataset=dataset, model=model, content=content): [mean if place else 1.5 - mean] * 2
        for place, (dataset, content) in enumerate(datasets.items())
        for model, mean in means.items()
    }
    return read_page(write(tmp_path / "demo", cells))


def test_average_ranks_are_over_data_sets_of_different_content(tmp_path: Path):
    (ranks,) = ranked_over(tmp_path, {f"set{place}": f"{place}" * 32 for place in range(5)}).ranks
    assert (ranks.levels, ranks.blocks, ranks.left_out) == (("cnn", "resnet", "mlp"), 5, 0)
    assert ranks.average == pytest.approx((1.4, 2, 2.6)), "first on four and third on one"


def test_variants_of_one_set_are_one_block(tmp_path: Path):
    contents = {f"set{place}": f"{place // 2}" * 32 for place in range(8)}
    (ranks,) = ranked_over(tmp_path, contents).ranks
    assert (ranks.blocks, ranks.levels) == (4, ())
    assert "here are 4" in ranks.lacking


def test_claims_are_shown_with_their_verdicts(tmp_path: Path):
    claim = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
    page = read_page(write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}, claim))
    assert page.claims.summary == "1 claim: 1 supported"
    (shown,) = page.claims.claims
    assert (shown.id, shown.outcome) == ("H1", "supported")
    assert shown.value == pytest.approx(0.0509)
    assert shown.low < shown.value < shown.high


def test_a_sweep_in_which_nothing_completed_still_has_its_page(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "bad")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0,), name="bad")
    fail(journal, MLP_SGD, 0)
    journal.commit()
    export(journal, paths)
    journal.close()
    page = read_page(paths)
    assert page.winners == page.curves.curves == page.breakdowns.cells == page.effects == page.ranks == ()
    message = {notice.what: notice.do for notice in page.notices}
    assert message["1 trial failed, timed out or ran out of memory."] == "orch sweep GRID --retry"
    assert "No trial has completed yet: there is nothing to rank or draw." in message


@pytest.mark.parametrize(
    ("cells", "message"), [((), "No trial is planned here yet."), ((MLP_SGD,), "No trial has completed yet")]
)
def test_tables_without_a_completed_trial_are_no_damage(cells: tuple[Cell, ...], message: str, tmp_path: Path):
    paths = ResultsPaths(tmp_path / "early")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, cells, seeds=(0,))
    journal.commit()
    export(journal, paths)
    journal.close()
    assert run(["report", str(paths.root)]) == 0
    page = read_page(paths)
    assert page.damage == ()
    assert any(notice.what.startswith(message) for notice in page.notices)


def test_a_sweep_under_way_is_shown_from_its_journal(tmp_path: Path):
    paths, journal = write_running(tmp_path / "running")
    page = read_page(paths)  # no table has been written yet
    journal.close()
    assert dict(page.counts) == {"completed": 1, "running": 1, "pending": 2}
    assert page.winners[0].score == "0.9000"
    notice = next(notice for notice in page.notices if "have still to run" in notice.what)
    assert (notice.what.partition(" trials")[0], notice.do) == ("3 of 4", "orch sweep GRID")
    assert page.sources == ()


def test_trials_of_an_earlier_grid_are_left_out_and_counted(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0, 1))
    journal.commit()
    export(journal, paths)
    journal.close()
    page = read_page(paths)
    assert (page.trials, page.unplanned, page.cell_count) == (2, 2 * len(CELLS) - 2, 1)


@pytest.mark.parametrize(
    "damaged", slow_but(["trials", "curves"], ["trials", "epochs", "classes", "curves", "environments"])
)
def test_a_damaged_table_is_reported_and_the_journal_stands_in(
    damaged: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    paths = write_sample(tmp_path / "demo")
    whole = read_page(paths)
    content = bytearray(paths.table(damaged).read_bytes())
    content[len(content) // 2] ^= 1
    paths.table(damaged).write_bytes(content)
    assert run(["report", str(paths.root)]) == 4
    output, errors = capsys.readouterr()
    assert output.strip() == str(paths.report)
    assert f"{damaged}.parquet is damaged" in errors
    assert f"orch repair {paths.root}" in errors
    page = read_page(paths)
    assert any(f"{damaged}.parquet is damaged" in notice.what for notice in page.notices)
    assert (page.boards, page.curves, page.breakdowns, page.invocations) == (
        *(whole.boards, whole.curves, whole.breakdowns, whole.invocations),
    )


def test_without_a_journal_the_rest_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    paths.journal.unlink()
    paths.table("epochs").write_bytes(b"PAR1 and nothing more")
    paths.table("classes").unlink()
    page = read_page(paths)
    assert page.curves.curves == page.breakdowns.cells == ()
    assert len(page.boards[0].grid.rows) == len(CELLS)
    assert len(page.damage) == 2
    paths.table("trials").write_bytes(b"PAR1 and nothing more")
    paths.report.write_text("the old page")
    assert run(["report", str(paths.root)]) == 4
    assert "trials.parquet is damaged" in capsys.readouterr().err
    assert paths.report.read_text() == "the old page"
    assert not list(paths.root.glob("*.tmp"))


def test_a_table_of_an_older_version_lacks_columns_and_is_shown(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    older = pq.read_table(paths.table("epochs")).drop_columns(["gradient_norm", "val_mse"])
    pq.write_table(older, paths.table("epochs"))
    paths.checksums.unlink()
    assert len(read_page(paths).curves.curves) == 4


def test_many_cells_keep_the_best_curves_and_count_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("orchestrator.report.charts.CURVE_NUMBERS_KEPT", 12 * 3 * 20)
    paths = ResultsPaths(tmp_path / "many")
    journal = Journal.create_or_open(paths.journal)
    cells = [Cell(model=f"mlp hidden={size}") for size in range(30)]
    plan(journal, cells, seeds=(0,), name="many")
    for size, cell in enumerate(cells):
        complete(journal, cell, 0, accuracy=0.3 + size / 200)
    journal.commit()
    export(journal, paths)
    journal.close()
    page = read_page(paths)
    assert (len(page.curves.curves), page.curves.left_out) == (20, 10)
    first = page.cells.cells[page.curves.curves[0].cell]
    assert page.cells.axes[1].levels[first.at[1]] == "mlp hidden=29"


def test_the_score_stands_second_and_what_all_rows_have_above(tmp_path: Path):
    long = Cell(model="cnn", optimizer="image_folder(folds=5,groups=elpv/modules.csv,path=elpv/folder,size=48-48)")
    short = Cell(model="mlp", optimizer=long.optimizer)
    page = read_page(write(tmp_path / "demo", {long: LOW, short: HIGH}))
    titles = [column.title for column in page.boards[0].grid.columns]
    assert titles[:3] == ["place", "test accuracy", "model"] and "optimizer" not in titles
    assert f"all have optimizer {long.optimizer}, regularizer none" in page.boards[0].summary
    trials = page.all_trials
    titles = [column.title for column in trials.columns]
    assert titles[:3] == ["trial", "val accuracy", "test accuracy"] and "model" in titles
    assert not {"dataset", "optimizer", "regularizer"} & set(titles)
    assert trials.alike == f"all have dataset digits, optimizer {long.optimizer}, regularizer none"
    text = render(page)
    assert f"<p>All have dataset digits, optimizer {long.optimizer}, regularizer none.</p>" in text


def test_of_cells_that_are_all_alike_the_model_is_named(tmp_path: Path):
    page = read_page(write(tmp_path / "demo", {MLP: LOW}))
    assert [column.title for column in page.all_trials.columns if column.title in AXES] == ["model"]


def test_a_data_set_without_what_is_asked_for_is_left_out_and_named(tmp_path: Path):
    paths = write_regression(tmp_path / "demo")
    with closing(Journal.create_or_open(paths.journal)) as journal:
        numbers = [Cell(dataset="brightness", model=model) for model in ("mlp", "cnn")]
        plan(journal, [*numbers, MLP_SGD, CNN_SGD], seeds=(0,))
        complete(journal, MLP_SGD, 0, accuracy=0.9)
        complete(journal, CNN_SGD, 0, accuracy=0.8)
        journal.commit()
        export(journal, paths)
    assert [board.dataset for board in read_page(paths).boards] == ["brightness", "digits"]
    page = read_page(paths, "f1_macro")
    (board,) = page.boards
    assert [row[1][0] for row in board.grid.rows] == [pytest.approx(0.89), pytest.approx(0.79)]
    assert page.notices[1].what == "Left out, since no trial there has F1 (macro): brightness."
    assert (page.trials, page.cell_count, len(page.all_trials.rows)) == (2, 2, 2)
