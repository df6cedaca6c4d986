"""Each figure shows what the page shows, figure by figure."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from orchestrator.errors import UserError
from orchestrator.figures.draw import draw
from orchestrator.figures.pareto import Point, front
from orchestrator.report.page_data import LEFT_OVER
from orchestrator.report.parts import Parts
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import CNN_SGD, Cell, write_regression, write_running, write_sample

WAVE = [0.01 * (seed % 5) for seed in range(10)]
MLP, CNN, RESNET = (Cell(model=model) for model in ("mlp", "cnn", "resnet"))
ADAM = [Cell(model=model, optimizer="adam lr=0.003") for model in ("mlp", "cnn", "resnet")]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return write_sample(tmp_path_factory.mktemp("results") / "demo")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    """6 cells of 10 seeds, in which the model explains nearly all."""
    levels = [[0.80 + wave for wave in WAVE], [0.85 + wave for wave in WAVE], [0.9 - wave / 9 for wave in WAVE]]
    cells = {**dict(zip((MLP, CNN, RESNET), levels, strict=True)), **dict(zip(ADAM, levels, strict=True))}
    return write(tmp_path_factory.mktemp("results") / "grid", cells)


def axes_of(paths: ResultsPaths, kind: str, **options: str | int) -> Axes:
    """The first panel."""
    sheet, damage = draw(paths, kind, options)
    assert damage == ()
    return sheet.axes[0]


def names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_leaderboard_has_the_means_and_intervals_of_the_page(grid: ResultsPaths):
    parts = Parts(grid)
    ax = axes_of(grid, "leaderboard")
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    reaches = [line for line in ax.lines if line.get_marker() != "o"]
    assert [line.get_xdata()[0] for line in dots] == [cell.mean for cell in parts.cells.cells]
    assert [tuple(line.get_xdata()) for line in reaches] == [(cell.low, cell.high) for cell in parts.cells.cells]
    filled = [line.get_markerfacecolor() != "white" for line in dots]
    assert filled == [cell.ties for cell in parts.cells.cells]
    assert 2 <= sum(filled) < len(filled), "the two optimizers make no difference, and the models do"
    assert names(ax)[0] == "resnet · sgd lr=0.1"


def test_its_caption_has_scope_n_and_what_is_missing(sample: ResultsPaths, grid: ResultsPaths):
    sheet, _ = draw(grid, "leaderboard", {"cells": 4})
    for words in (
        "Leaderboard of demo: mean over the seeds of each cell",
        "Test accuracy with 95 % intervals",
        "about pictures like these",
        "n = 10 seeds",
        "The best 4 of 6 cells are drawn",
    ):
        assert words in sheet.caption
    assert "did not complete" not in sheet.caption
    sheet, _ = draw(sample, "leaderboard", {})
    assert "with 95 % intervals" not in sheet.caption, "two seeds at most"
    assert (
        "6 of 12 trials did not complete: 1 cancelled, 1 diverged, 1 failed, 1 out of memory, 2 skipped."
        in sheet.caption
    )


def test_heat_map_fields_are_means_of_cells(grid: ResultsPaths, sample: ResultsPaths):
    ax = axes_of(grid, "heatmap")
    means = {cell.at: cell.mean for cell in Parts(grid).cells.cells}
    values = ax.images[0].get_array()
    assert values.shape == (3, 2)
    assert values[0, 0] == pytest.approx(means[0, 0, 0, 0])
    by_model = axes_of(grid, "heatmap", rows="model", columns="regularizer").images[0].get_array()
    assert list(by_model[:, 0]) == pytest.approx([values[row].mean() for row in range(3)])
    texts = [text.get_text() for text in axes_of(sample, "heatmap").texts]
    assert {"0.960", "2 skipped", "not in the grid"} <= set(texts)


def test_curves_are_those_of_the_page(sample: ResultsPaths):
    page = Parts(sample).curves
    ax = axes_of(sample, "curves", measure="training loss")
    measure = page.measures.index("training loss")
    assert [tuple(line.get_ydata()) for line in ax.lines] == [curve.lines[measure].mean for curve in page.curves]
    assert len(ax.collections) == sum(curve.seeds > 1 for curve in page.curves), "a band where there are seeds"
    assert len(axes_of(sample, "curves", cells=2).lines) == 2


def test_roc_and_confusion_are_those_of_the_page(sample: ResultsPaths):
    parts = Parts(sample)
    first = parts.breakdowns(parts.broken_down).cells[0]
    chance, *lines = axes_of(sample, "roc").lines
    assert lines[-1].get_label() == "mean"
    assert list(lines[-1].get_ydata()) == [value / 1000 for value in first.rocs[0].thousandths]
    assert len(lines) == len(first.rocs)
    assert list(chance.get_ydata()) == [0, 1]
    texts = {(text.get_position(), text.get_text()) for text in axes_of(sample, "confusion").texts}
    wanted = {((x, y), str(count)) for y, row in enumerate(first.counts) for x, count in enumerate(row) if count}
    assert texts == wanted
    second = axes_of(sample, "confusion", place=2)
    assert {text.get_text() for text in second.texts} != {text for _, text in texts}
    assert [line.get_label() for line in axes_of(sample, "roc", class_name="dog").lines[1:]] == ["dog"]


def test_the_front_has_what_nothing_beats_on_both():
    random = np.random.default_rng(1)
    cell = Parts.__new__(Parts)
    points = [Point(float(cost), float(score), cell) for cost, score in random.integers(1, 9, (60, 2))]
    for higher in (True, False):
        sign = 1 if higher else -1
        best = {
            (point.cost, point.score)
            for point in points
            if not any(
                other.cost <= point.cost
                and sign * other.score >= sign * point.score
                and (other.cost, other.score) != (point.cost, point.score)
                for other in points
            )
        }
        found = front(points, higher_is_better=higher)
        assert {(point.cost, point.score) for point in found} == best
        assert len(found) == len(best)


def test_pareto_draws_every_cell_with_both_figures(sample: ResultsPaths):
    ax = axes_of(sample, "pareto", cost="parameters")
    drawn = [tuple(at) for some in ax.collections if isinstance(some, PathCollection) for at in some.get_offsets()]
    cells = [cell for cell in Parts(sample).cells.cells if cell.mean is not None]
    assert sorted(drawn) == sorted((5000.0, cell.mean) for cell in cells)
    assert ax.get_xlabel() == "parameters"


def test_effects_are_shares_with_their_intervals(grid: ResultsPaths):
    (shares,) = Parts(grid).effects
    ax = axes_of(grid, "effects")
    assert [bar.get_width() for bar in ax.patches] == [share.share for share in shares.shares]
    assert [tuple(line.get_xdata()) for line in ax.lines] == [(share.low, share.high) for share in shares.shares]
    assert names(ax)[0] == "model"
    assert names(ax)[-1] == LEFT_OVER


def test_average_ranks_stand_beside_their_levels(tmp_path: Path):
    means = {"cnn": 0.9, "resnet": 0.8, "mlp": 0.7}
    cells = {
        Cell(dataset=f"set{place}", model=model, content=f"{place}" * 32): [mean if place else 1.5 - mean] * 2
        for place in range(5)
        for model, mean in means.items()
    }
    paths = write(tmp_path / "ranks", cells)
    (ranks,) = Parts(paths).ranks
    sheet, _ = draw(paths, "average-ranks", {})
    texts = {text.get_text() for text in sheet.axes[0].texts}
    assert texts == {"cnn (1.40)", "resnet (2.00)", "mlp (2.60)", f"CD = {ranks.critical_difference:.2f}"}
    bars = [line for line in sheet.axes[0].lines if line.get_linewidth() == 2.5]
    assert len(bars) == len(ranks.groups)
    assert (
        f"n = 5 data sets, on each the mean over the cells and seeds that all levels have. Friedman p = {ranks.p}"
        in (sheet.caption)
    )


def test_a_panel_for_each_data_set_unless_one_is_named(tmp_path: Path):
    cells = {Cell(dataset=f"set{number}"): [0.5 + number / 100] for number in range(8)}
    paths = write(tmp_path / "many", cells)
    sheet, _ = draw(paths, "leaderboard", {})
    assert [ax.get_title("left") for ax in sheet.axes] == [f"set{number}" for number in range(6)]
    assert sheet.caption.endswith("2 panels more are left out: name one data set.")
    assert axes_of(paths, "leaderboard", dataset="set7").get_title("left") == "set7"
    with pytest.raises(UserError, match="there is no data set 'set9'; did you mean"):
        draw(paths, "leaderboard", {"dataset": "set9"})


def test_lower_is_better_where_it_is(tmp_path: Path):
    paths = write_regression(tmp_path / "numbers")
    assert axes_of(paths, "heatmap").images[0].get_cmap().name == "cividis_r"
    assert names(axes_of(paths, "leaderboard")) == ["cnn", "mlp"]


@pytest.mark.parametrize("kind", ["roc", "pr", "confusion"])
def test_what_has_no_classes_says_so(kind: str, tmp_path: Path):
    paths = write_regression(tmp_path / "numbers")
    with pytest.raises(UserError, match=f"the figure {kind} of numbers cannot be drawn: brightness: it has no classes"):
        draw(paths, kind, {})


@pytest.mark.parametrize("kind", ["roc", "pr", "confusion", "effects", "average-ranks"])
def test_figures_of_the_test_split_wait_for_the_last_trial(kind: str, tmp_path: Path):
    paths, journal = write_running(tmp_path / "running")
    journal.close()
    with pytest.raises(UserError, match="have still to run, and this figure needs the test split"):
        draw(paths, kind, {})


def test_before_that_validation_is_shown_and_said(tmp_path: Path):
    paths, journal = write_running(tmp_path / "running")
    journal.close()
    sheet, _ = draw(paths, "leaderboard", {})
    assert sheet.axes[0].get_xlabel() == "validation accuracy"
    assert "scores are on validation, and cells are not compared" in sheet.caption
    assert "3 of 4 trials did not complete: 2 pending, 1 running" in sheet.caption


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("leaderbord", {}, "there is no figure 'leaderbord'; did you mean leaderboard?"),
        ("roc", {"cost": "flops"}, "`cost` is for pareto, and not for roc"),
        ("roc", {"colour": "red"}, "there is no option of a figure 'colour'"),
        ("pareto", {"cost": "latency"}, "there is no cost 'latency'"),
        ("curves", {"measure": "loss"}, "there is no curve of 'loss'"),
        ("heatmap", {"rows": "modle"}, "there is no axis for `rows` 'modle'; did you mean model?"),
        ("leaderboard", {"cells": 0}, "`cells` is a whole number from 1, not 0"),
        ("leaderboard", {"width": "wide"}, "there is no width 'wide'; there are column, text, page"),
        ("confusion", {"place": 5}, "it has no cell in place 5: 4 cells completed a trial"),
        ("roc", {"class_name": "cta"}, "it has no class 'cta'; did you mean cat?"),
        ("effects", {}, "2 seeds do not show how much each axis explains: it takes 5"),
        ("average-ranks", {}, "need 5 data sets with different content; here is 1"),
    ],
)
def test_what_cannot_be_drawn_says_why(kind: str, options: dict[str, str | int], message: str, sample: ResultsPaths):
    with pytest.raises(UserError) as refused:
        draw(sample, kind, options)
    assert message in str(refused.value)


def test_a_damaged_table_is_told_and_the_journal_stands_in(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    whole, _ = draw(paths, "curves", {})
    paths.table("epochs").write_bytes(b"PAR1 and nothing more")
    sheet, damage = draw(paths, "curves", {})
    assert len(damage) == 1
    assert "epochs.parquet is damaged" in damage[0]
    assert sheet.rendered("svg") == whole.rendered("svg")


def test_nothing_is_left_to_draw_where_nothing_completed(tmp_path: Path):
    paths = write(tmp_path / "bad", {CNN_SGD: ["failed"]})
    for kind in ("leaderboard", "heatmap", "curves", "pareto", "roc"):
        with pytest.raises(UserError, match="cannot be drawn: digits: no"):
            draw(paths, kind, {})
