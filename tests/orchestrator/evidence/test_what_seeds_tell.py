"""What the seeds cannot tell is not said: no tie, no share of the variance, no diagram; why not stands in its place."""

from pathlib import Path

import pandas as pd
import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.report.contents import read_page
from orchestrator.report.page import Page
from orchestrator.report.tables import SHARED_FIRST
from orchestrator.results.cell_table import cell_table
from orchestrator.wandb.board_content import read_content
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell

ADAM = "adam lr=0.003"
MODELS = ("mlp", "cnn", "resnet", "lstm", "vit", "gru")
NOISE = [0.0, 0.03, -0.02, 0.01, -0.03, 0.02, 0.015, -0.01, 0.005, -0.025]


def noisy(mean: float, seeds: int, turn: int = 0, size: float = 1.0) -> list[float]:
    return [mean + size * NOISE[(seed * (turn + 1) + turn) % 10] for seed in range(seeds)]


def places(page: Page) -> list[object]:
    return [row[0] for row in page.boards[0].grid.rows]


def sureness(page: Page) -> str:
    """What is said of the first cell."""
    return " ".join(one.what for one in page.winners[0].sure)


def test_cells_far_behind_are_no_ties_of_a_first_that_three_seeds_cannot_tell_from_them(tmp_path: Path) -> None:
    wild, tame = noisy(0.6, 3, 1, size=5), [0.79, 0.791, 0.7895]  # a t-test tells the near one, and not the far ones
    scores = {
        Cell(model="cnn"): [0.87, 0.871, 0.8695],
        Cell(model="resnet"): tame,
        Cell(model="mlp"): wild,
        Cell(model="lstm"): noisy(0.46, 3, 2, size=5),
    }
    paths = write(tmp_path / "demo", scores)
    page = read_page(paths)
    assert places(page) == ["1", "2", "3", "4"]
    assert "3 seeds cannot distinguish it from" in sureness(page)
    assert "it takes 7 seeds" in sureness(page)
    assert not any(cell.ties for cell in page.cells.cells[1:])
    ties = orchestrator.load(paths.root).cells()["ties"]
    assert [None if pd.isna(tie) else tie for tie in ties] == [True, None, None, None], "neither yes nor no"
    listed = cell_table(paths)
    assert listed.cells["ties"].to_pylist() == [True, None, None, None]
    assert "too few seeds to tell 3 of 3 others from the first (no `ties`): 7 may" in listed.notes[0]
    (board,) = [text for title, text in read_content(paths).tables if title.startswith("Leaderboard")]
    assert "yes" not in board
    assert run(["report", str(paths.root), "--format", "md"]) == 0
    assert SHARED_FIRST not in (paths.root / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("seeds", "cells", "tied"),
    [
        (1, 2, False),
        (2, 4, False),
        (3, 2, False),
        (5, 2, False),
        (6, 2, True),
        (6, 3, False),
        (8, 6, True),
        (9, 6, True),
    ],
)
def test_a_tie_takes_as_many_seeds_as_decide_one_of_so_many_comparisons(
    seeds: int, cells: int, tied: bool, tmp_path: Path
) -> None:
    scores = {Cell(model=model): noisy(0.8, seeds, turn) for turn, model in enumerate(MODELS[:cells])}
    page = read_page(write(tmp_path / "demo", scores))
    assert (SHARED_FIRST in places(page)) is tied
    assert ("cannot be distinguished from it" in sureness(page)) is tied
    assert ("cannot distinguish it from" in sureness(page)) is not tied


def test_a_cell_whose_trials_broke_has_too_few_seeds_in_common(tmp_path: Path) -> None:
    scores = {
        Cell(model="cnn"): noisy(0.9, 10),
        Cell(model="mlp"): noisy(0.9, 10, 2),
        Cell(model="vit"): [*noisy(0.7, 3, 1, size=3), *["diverged"] * 7],
    }
    page = read_page(write(tmp_path / "demo", scores))
    assert places(page) == [SHARED_FIRST, SHARED_FIRST, "3"]
    assert "It differs from" not in sureness(page)
    assert "1 of 2 others cannot be distinguished from it" in sureness(page)


def test_two_values_have_no_interval(tmp_path: Path) -> None:
    page = read_page(write(tmp_path / "demo", {Cell(model="cnn"): [0.9, 0.92], Cell(): [0.8, 0.8]}))
    assert page.winners[0].interval == ""
    assert [(cell.low, cell.high) for cell in page.cells.cells] == [(None, None)] * 2
    assert (page.boards[0].grid.rows[1][1], page.cells.cells[1].n) == ((0.8, None, None), 2)


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        (1, "One seed does not show how much each axis explains: it takes 5."),
        (2, "2 seeds do not show how much each axis explains: it takes 5."),
        (4, "4 seeds do not show how much each axis explains: it takes 5."),
    ],
)
def test_few_seeds_explain_no_variance(seeds: int, says: str, tmp_path: Path) -> None:
    scores = {
        Cell(model=model, optimizer=optimizer): noisy(0.8 + 0.05 * (model == "cnn"), seeds, turn)
        for turn, (model, optimizer) in enumerate((m, o) for m in ("mlp", "cnn") for o in ("sgd lr=0.1", ADAM))
    }
    paths = write(tmp_path / "demo", scores)
    page = read_page(paths)
    assert [(effects.shares, effects.lacking) for effects in page.effects] == [((), says)]
    assert page.winners[0].matters == ""
    assert run(["report", str(paths.root), "--format", "md"]) == 0
    text = (paths.root / "report.md").read_text(encoding="utf-8")
    assert says in text
    assert "| term |" not in text


def test_a_share_whose_interval_is_nearly_everything_is_not_printed(tmp_path: Path) -> None:
    """Of five seeds, one turns everything round."""
    turned = [0.9, 0.9, 0.9, 0.9, 0.2]
    scores = {
        Cell(): [0.5] * 5,
        Cell(model="cnn"): turned,
        Cell(optimizer=ADAM): [0.5, 0.5, 0.5, 0.5, 0.501],
        Cell(model="cnn", optimizer=ADAM): turned,
    }
    (effects,) = read_page(write(tmp_path / "demo", scores)).effects
    assert all(share.high - share.low <= 0.5 for share in effects.shares)  # type: ignore[operator]
    assert "model" not in [share.term for share in effects.shares]
    assert "model" in effects.lacking or not effects.shares


def test_what_many_seeds_agree_on_is_shown(tmp_path: Path) -> None:
    scores = {
        Cell(model=model, optimizer=optimizer): noisy(0.5 + 0.3 * (model == "cnn"), 10, turn, size=0.3)
        for turn, (model, optimizer) in enumerate((m, o) for m in ("mlp", "cnn") for o in ("sgd lr=0.1", ADAM))
    }
    page = read_page(write(tmp_path / "demo", scores))
    (effects,) = page.effects
    assert (effects.shares[0].term, effects.shares[-1].term, effects.lacking) == ("model", "left over", "")
    assert page.winners[0].matters.startswith("model explains most: ")


@pytest.mark.parametrize(("datasets", "drawn"), [(1, False), (4, False), (5, True)])
def test_no_diagram_of_ranks_below_five_data_sets(datasets: int, drawn: bool, tmp_path: Path) -> None:
    scores = {
        Cell(dataset=f"set{place}", model=model, content=f"{place}" * 32): noisy(0.8 + 0.01 * turn, 10, turn)
        for place in range(datasets)
        for turn, model in enumerate(MODELS[:3])
    }
    paths = write(tmp_path / "demo", scores)
    (ranks,) = read_page(paths).ranks
    assert (ranks.lacking == "") is drawn
    assert run(["report", str(paths.root), "--format", "md"]) == 0
    text = (paths.root / "report.md").read_text(encoding="utf-8")
    assert ("| level | average rank |" in text) is drawn
    assert ("Seeds and variants of one data set do not count." in text) is not drawn
