"""Two cells, or trials of them, side by side."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from playwright.sync_api import Page as Tab

from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.report.page import Page
from orchestrator.report.side_by_side import SideBySide
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator import sample
from tests.orchestrator.report.browser import needs_a_browser, opened, rows, traces
from tests.orchestrator.sample import Cell
from tests.orchestrator.store.predictions import made

EVIL: Final = "<img src=x onerror=alert(1)>%{y}"
ADAM, SGD, OTHER = (
    Cell(model=EVIL, optimizer="adam lr=0.003"),
    Cell(model=EVIL, optimizer="sgd lr=0.1"),
    Cell(model="cnn", optimizer="sgd lr=0.1"),
)
CELLS: Final = (ADAM, SGD, OTHER)
SEEDS: Final = 2


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    """Three cells of two seeds; what each trial answers has a number of its own, of cell and seed."""
    paths = ResultsPaths(tmp_path_factory.mktemp("results") / "demo")
    journal = Journal.create_or_open(paths.journal)
    sample.plan(journal, CELLS, seeds=range(SEEDS))
    for place, cell in enumerate(CELLS):
        for seed in range(SEEDS):
            trial_id = made.complete(journal, cell, seed, said=made.predictions(10 * place + seed))
            journal._update_trial(trial_id, {"split_id": made.SPLIT})
    journal.commit()
    journal.predictions_written(export(journal, paths))
    journal.close()
    return paths


@pytest.fixture(scope="module")
def page(paths: ResultsPaths) -> Page:
    return read_page(paths)


@pytest.fixture(scope="module")
def file(page: Page, paths: ResultsPaths) -> Path:
    paths.report.write_text(render(page), encoding="utf-8")
    return paths.report


def settings(found: SideBySide, cell: Cell) -> dict[str, str]:
    return dict(pair for part in found.of_cells[found.cells.index(cell.cell_id)] for pair in found.settings[part])


def test_cells_have_their_settings_with_every_default(page: Page):
    found = page.side_by_side
    adam, sgd = settings(found, ADAM), settings(found, SGD)
    assert {name for name in adam if adam[name] != sgd[name]} == {"optimizer", "optimizer.lr"}
    assert (adam["optimizer"], adam["optimizer.lr"]) == ("adam", "0.003")
    assert (adam["model"], adam["model.hidden"], adam["protocol.splits.test"]) == (EVIL, "[64, 32]", "0.2")
    assert adam["regularizer"] == "none"
    assert len(found.settings) == 8, (
        "each part once: a data set, 2 models, 2 optimizers, a regularizer, a protocol, untuned"
    )


def test_every_row_of_trials_leads_to_its_cell(page: Page):
    found = page.side_by_side
    of_row = {row[0]: place for row, place in zip(page.all_trials.rows, found.trials, strict=True)}
    assert of_row == {cell.trial_id(seed): found.cells.index(cell.cell_id) for cell in CELLS for seed in range(SEEDS)}


def test_answers_are_those_of_one_trial_of_each_cell(page: Page):
    (answers,) = page.side_by_side.answers
    right = {place: made.answers(10 * place) for place in range(len(CELLS))}
    expected = {place: one.predicted == one.targets for place, one in right.items()}
    for place, text in zip(answers.cells, answers.right, strict=True):
        cell = CELLS.index(next(cell for cell in CELLS if cell.cell_id == page.side_by_side.cells[place]))
        bits = np.unpackbits(np.frombuffer(b64decode(text), np.uint8), bitorder="little")[: answers.examples]
        assert (bits == expected[cell]).all()
    shared = sum(expected.values())
    assert set(answers.named) == set(np.flatnonzero((shared > 0) & (shared < len(CELLS))))
    assert answers.sources[0] == f"{answers.named[0]}.png"


def test_while_trials_have_still_to_run_no_answer_is_shown(tmp_path: Path):
    found, journal = sample.write_running(tmp_path / "running")
    assert read_page(found).side_by_side.answers == ()
    journal.close()


def compared(tab: Tab, name: str) -> list[list[str]]:
    return rows(tab.locator(f"[data-side-{name}]"))


@needs_a_browser
def test_an_address_leads_to_two_cells_and_to_what_differs_between_them(file: Path):
    with opened(file) as tab:
        tab.goto(f"{file.as_uri()}#compare={ADAM.cell_id},{SGD.cell_id}")
        tab.wait_for_function("() => document.querySelectorAll('[data-side-settings] tbody tr').length === 2")
        tab.wait_for_function(
            "() => Math.abs(document.getElementById('side-by-side').getBoundingClientRect().top) < 200"
        )
        assert compared(tab, "settings") == [["optimizer", "adam", "sgd"], ["optimizer.lr", "0.003", "0.1"]]
        scores = {title: values for title, *values in compared(tab, "scores")}
        assert scores["test accuracy"][:2] == ["0.5000", "0.5000"]
        assert scores["trials"][:2] == ["2 completed", "2 completed"]
        names = tab.locator("[data-side-name]").all_inner_texts()
        assert names == [f"digits: {EVIL} · {cell.optimizer} · none" for cell in (ADAM, SGD)]
        assert tab.locator("main img").count() == 0
        lines = [trace for trace in traces(tab, "side-by-side") if trace.get("showlegend") is not False]
        assert [line["name"][:2] for line in lines] == ["A:", "B:"]


@needs_a_browser
def test_what_one_gets_right_and_the_other_wrong_is_counted(file: Path):
    first, second = (made.answers(10 * place) for place in (0, 1))
    one, other = first.predicted == first.targets, second.predicted == second.targets
    with opened(file) as tab:
        tab.goto(f"{file.as_uri()}#compare={ADAM.cell_id},{SGD.cell_id}")
        words = tab.locator("[data-side-answers] p").inner_text()
        assert words.startswith(
            f"Of 300 test examples, both get {(one & other).sum()} right, neither gets {(~one & ~other).sum()};"
            f" only A gets {(one & ~other).sum()}, only B {(~one & other).sum()}."
        )
        alone = tab.locator("[data-side-answers] ul").nth(0).locator("code").all_inner_texts()
        assert len(alone) == 12
        assert all(one[int(name[:-4])] and not other[int(name[:-4])] for name in alone)


@needs_a_browser
def test_what_is_chosen_is_in_the_address_and_trials_can_be_chosen(file: Path):
    with opened(file) as tab:
        tab.locator("#side-by-side").scroll_into_view_if_needed()
        tab.locator("#side-by-side[data-listed]").wait_for()
        tab.get_by_label("Cell A", exact=True).select_option(label=f"cnn · {OTHER.optimizer} · none")
        tab.get_by_label("Trials of cell A").select_option(label=f"seed 1 ({OTHER.trial_id(1)})")
        tab.get_by_label("Cell B", exact=True).select_option(index=0)
        address = tab.evaluate("location.hash")
        assert address.startswith(f"#compare={OTHER.trial_id(1)},")
        assert tab.locator("[data-side-link]").get_attribute("href") == address
        scores = {title: values for title, *values in compared(tab, "scores")}
        assert scores["trial"][0] == OTHER.trial_id(1)
        assert scores["seed"][0] == "1"
        tab.goto("about:blank")
        tab.goto(file.as_uri() + address)
        assert {title: values for title, *values in compared(tab, "scores")} == scores


@needs_a_browser
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("#compare=nobody,%3Cb%3Ex%3C%2Fb%3E", "This page has no cell and no trial nobody and <b>x</b>."),
        (f"#compare={ADAM.cell_id}", "The address has to name two: #compare=ID,ID."),
        ("#compare=%E0%A4%A,a", "This page has no cell and no trial %E0%A4%A and a."),
    ],
)
def test_an_address_of_what_is_not_there_says_so(file: Path, address: str, message: str):
    with opened(file) as tab:
        tab.goto(file.as_uri() + address)
        output = tab.locator("[data-side-message]")
        output.filter(has_text=message).wait_for()
        assert output.inner_text() == message
        assert len(json.loads(tab.locator("#page-data").text_content() or "")["side_by_side"]["cells"]) == len(CELLS)
