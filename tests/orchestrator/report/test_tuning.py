"""The report of a sweep that tunes: what was tried, what was chosen, and whether that lies at an edge of its range."""

import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.report.markdown import markdown
from orchestrator.report.page import Page
from orchestrator.report.page_data import DataTable, Tuning
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator.report.browser import drawn, needs_a_browser, opened
from tests.orchestrator.sample import REASON_OF_FAILURE, Cell, write_sample
from tests.orchestrator.tuned_sample import ADAM, Try, choose, plan, run, tuning_id, write_tuned


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return write_tuned(tmp_path_factory.mktemp("results") / "tuned")


@pytest.fixture(scope="module")
def page(tuned: ResultsPaths) -> Page:
    return read_page(tuned)


def section(page: Page) -> Tuning:
    assert page.tuning is not None
    return page.tuning


def rows(grid: DataTable) -> list[dict[str, Any]]:
    return [dict(zip([column.title for column in grid.columns], row, strict=True)) for row in grid.rows]


def test_each_parameter_has_its_scores_by_value_the_best_cell_first(page: Page):
    rate, hidden = section(page).figures
    assert (rate.dataset, rate.parameter, rate.title) == ("digits", "optimizer.lr", "Validation accuracy")
    assert [cell.label for cell in rate.cells] == ["mlp · adam · none", "mlp · sgd · none", "cnn · sgd · none"]
    adam, sgd, under_way = rate.cells
    assert (sgd.places, sgd.scores) == ((0.9, 0.2, 0.01), (0.95, 0.9, 0.4))
    assert sgd.stopped == (False, False, True)
    assert sgd.notes[2].startswith("model.hidden=[16] optimizer.lr=0.01, 1 of 3 epochs, trial ")
    assert (sgd.chosen, adam.chosen, under_way.chosen) == (0, 0, None)
    assert (sgd.broken, adam.broken) == ((0.95,), (0.5, 0.3))
    assert rate.log
    assert [end for band in rate.bands for end in band] == pytest.approx([1e-4, 10**-3.8, 10**-0.2, 1])
    assert hidden.categorical
    assert hidden.names == ("[16]", "[64]", "[64, 32]")
    assert hidden.cells[1].places == (2, 1, 0)


def test_a_choice_at_the_edge_of_its_range_is_said_in_words(page: Page):
    assert section(page).edges == ("digits · mlp · sgd · none: optimizer.lr=0.9 lies at the upper edge of 0.0001 to 1",)
    text = render(page)
    assert "The best value lies at the edge of the range: widen it" in text
    assert "optimizer.lr=0.9 lies at the upper edge of 0.0001 to 1</li>" in text
    text = markdown(page)
    assert "- digits · mlp · sgd · none: optimizer.lr=0.9 lies at the upper edge of 0.0001 to 1\n" in text
    assert "## Tuning" in text


def test_the_table_has_the_choices_and_what_they_cost(page: Page):
    adam, sgd, under_way = rows(section(page).cells)
    assert sgd["chosen"] == "model.hidden=[64, 32] optimizer.lr=0.9"
    assert (sgd["at an edge"], adam["at an edge"], under_way["at an edge"]) == ("optimizer.lr", "", "")
    counts = ("validation accuracy", "tuning trials", "stopped early", "failed or diverged", "still to run")
    assert [adam[name] for name in counts] == [0.97, 4, 1, 2, 0]
    assert [sgd[name] for name in counts] == [0.95, 4, 1, 1, 0]
    assert [under_way[name] for name in counts] == [0.2, 4, 0, 0, 3]
    assert under_way["chosen"] == ""
    assert "values do not fit" not in adam


def test_the_rest_of_the_page_is_of_the_trials_that_evaluate(page: Page):
    assert (page.trials, dict(page.counts)) == (6, {"completed": 4, "pending": 2})
    assert [row["n"] for row in rows(page.boards[0].grid)] == [2, 2, 0]
    assert {row["tuned"] for row in rows(page.all_trials)} == {
        "model.hidden=[64] optimizer.lr=0.01",
        "model.hidden=[64, 32] optimizer.lr=0.9",
        "",
    }
    assert page.winners[0].label.endswith(" · none · model.hidden=[64, 32] optimizer.lr=0.9")
    assert all(curve.seeds == 2 for curve in page.curves.curves)
    overview = re.sub(r"<[^>]*>", "", render(page).partition("<nav")[0])
    assert "12 further trials tune" in overview


def test_tuning_trials_that_broke_are_among_the_problems(page: Page):
    found = {(row["optimizer"], row["status"]): row for row in rows(page.problems)}
    assert found["adam", "failed"]["seeds"] == "tuning (2 trials)"
    assert found["adam", "failed"]["reason"] == REASON_OF_FAILURE
    assert found["adam", "failed"]["first trial"] == tuning_id(ADAM, 1)
    assert found["sgd", "diverged"]["seeds"] == "tuning"
    assert len(found) == 2


def test_what_diverges_at_many_values_is_one_problem_and_stands_last(tmp_path: Path):
    tries = {ADAM: [Try({"optimizer.lr": rate}, None, epochs=1) for rate in (0.7, 0.8, 0.9)]}
    paths = written(tmp_path, tries, {"optimizer.lr": [0, 1, "linear"]}, chosen=None)
    journal = Journal.create_or_open(paths.journal)
    for number, rate in enumerate((0.7, 0.8, 0.9)):
        journal.set_aside(tuning_id(ADAM, number), "diverged", f"the loss became NaN at a learning rate of {rate}")
    journal.set_aside(ADAM.trial_id(0), "skipped", "no tuning trial came to a score")
    journal.commit()
    export(journal, paths)
    journal.close()
    seed, tuning = rows(read_page(paths).problems)
    assert (seed["status"], seed["seeds"]) == ("skipped", "0")
    assert (tuning["reason"], tuning["seeds"]) == (
        "the loss became NaN at a learning rate of 0.7",
        "tuning (3 trials)",
    )


def test_figures_and_table_have_a_name_for_those_who_cannot_see_them(page: Page):
    charts = re.findall(r'data-figure="tuning" data-at="\d+" role="img" aria-label="([^"]+)"', render(page))
    assert [name.partition(":")[0] for name in charts] == [
        "Tuning of optimizer.lr for digits",
        "Tuning of model.hidden for digits",
    ]
    assert "<caption>Tuned cells with the chosen values" in render(page)


def test_of_many_cells_the_best_are_drawn_and_the_rest_counted(tmp_path: Path):
    cells = [Cell(model=f"mlp width={size}", optimizer="sgd") for size in range(45)]
    tries = {cell: [Try({"optimizer.lr": 0.1}, 0.5 + size / 100)] for size, cell in enumerate(cells)}
    tuning = section(read_page(written(tmp_path, tries, {"optimizer.lr": [0, 1, "linear"]})))
    (figure,) = tuning.figures
    assert (len(figure.cells), figure.left_out, figure.log) == (40, 5, False)
    assert figure.cells[0].label.startswith("mlp width=44 ")
    assert len(tuning.cells.rows) == 45
    assert "carries the best 40 cells; 5 more are in the table" in render(read_page(ResultsPaths(tmp_path / "it")))


def test_of_many_trials_the_best_are_drawn_and_the_rest_counted(tmp_path: Path):
    tries = {ADAM: [Try({"optimizer.lr": 0.1 + number / 1000}, number / 200) for number in range(130)]}
    (figure,) = section(read_page(written(tmp_path, tries, {"optimizer.lr": [0, 1, "linear"]}))).figures
    assert (len(figure.cells[0].places), figure.trials_left_out, figure.cells[0].chosen) == (100, 30, 0)
    assert min(figure.cells[0].scores) == 0.15


def test_listed_numbers_have_edges_and_an_axis_of_their_own(tmp_path: Path):
    tries = {ADAM: [Try({"optimizer.lr": rate}, 1 - rate) for rate in (0.1, 0.001, 0.01)]}
    tuning = section(read_page(written(tmp_path, tries, {"optimizer.lr": [0.1, 0.001, 0.01]})))
    (figure,) = tuning.figures
    assert (figure.ticks, figure.names, figure.log, figure.categorical) == (
        (0.001, 0.01, 0.1),
        ("0.001", "0.01", "0.1"),
        True,
        False,
    )
    assert tuning.edges == ("digits · mlp · adam · none: optimizer.lr=0.001 lies at the lower edge of 0.001 to 0.1",)


def test_of_a_numeric_target_the_smallest_error_is_the_best(tmp_path: Path):
    cell = Cell(dataset="brightness", optimizer="sgd")
    tries = {cell: [Try({"optimizer.lr": 0.1}, 0.5), Try({"optimizer.lr": 0.2}, 0.25)]}
    paths = written(tmp_path, tries, {"optimizer.lr": [0, 1, "linear"]}, measure="mse", chosen=1)
    tuning = section(read_page(paths))
    assert tuning.figures[0].title == "Validation mean squared error"
    assert tuning.figures[0].cells[0].scores == (0.25, 0.5)
    assert rows(tuning.cells)[0]["validation mean squared error"] == 0.25
    assert tuning.edges == ()


def test_a_cell_in_which_no_tuning_trial_came_to_a_score_has_no_figure(tmp_path: Path):
    tries = {ADAM: [Try({"optimizer.lr": 0.1}, None, epochs=1)]}
    tuning = section(read_page(written(tmp_path, tries, {"optimizer.lr": [0, 1, "linear"]}, chosen=None)))
    assert tuning.figures == tuning.edges == ()
    assert rows(tuning.cells)[0]["failed or diverged"] == 1


def test_a_sweep_that_tunes_nothing_has_no_such_section(tmp_path: Path):
    page = read_page(write_sample(tmp_path / "demo"))
    assert page.tuning is None
    assert "tune" not in render(page).partition("<main")[0].partition("<body>")[2]
    assert "tuned" not in {column.title for column in (*page.boards[0].grid.columns, *page.all_trials.columns)}


@needs_a_browser
def test_a_browser_draws_it_without_the_network(tuned: ResultsPaths, tmp_path: Path):
    (tmp_path / "report.html").write_text(render(read_page(tuned)), encoding="utf-8")
    with opened(tmp_path / "report.html") as page:
        for at in (0, 1):
            drawn(page, "tuning", at)
        # a point for each tuning trial with a score, in both figures; and three for each that broke
        assert page.locator("#tuning path.point").count() == 2 * (6 + 3)
        assert "3 of 3 rows" in page.locator("#tuning").inner_text()


def written(
    folder: Path,
    tries: dict[Cell, list[Try]],
    space: dict[str, Any],
    measure: str = "accuracy",
    chosen: int | None = -1,
) -> ResultsPaths:
    """A directory in which these trials tuned, and one seed of each cell is to run with those of one of them."""
    paths = ResultsPaths(folder / "it")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, list(tries), seeds=(0,), trials=max(map(len, tries.values())), space=space)
    for cell, own in tries.items():
        for number, tried in enumerate(own):
            run(journal, cell, number, tried, measure)
        if chosen is not None:
            best = max(own, key=lambda tried: tried.score or 0) if chosen < 0 else own[chosen]
            choose(journal, cell, 0, best.values)
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths
