"""A verdict that no scores could have given says so, and how many seeds could give one."""

import json
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.cli import run
from orchestrator.grid.claims import min_seeds
from orchestrator.grid.reader import read_text
from orchestrator.report.contents import read_page
from orchestrator.wandb.board_content import read_content
from tests.orchestrator.evidence.stated import Scores, stated, write
from tests.orchestrator.sample import Cell

MLP, CNN, LSTM = (Cell(model=model) for model in ("mlp", "cnn", "lstm"))
CNN_WINS = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
LOSES = "better: {model: mlp}, than: {model: cnn}, on: test_accuracy"
CLOSE = "not_worse: {model: cnn}, than: {model: mlp}, on: test_accuracy, margin: 0.01"
RISES = "over: {model: [mlp, cnn]}, on: test_accuracy"
FOUR = (CNN_WINS, LOSES, CLOSE, RISES)


def scores(seeds: int) -> Scores:
    """Far apart, and in each seed the same way."""
    return {MLP: [0.50 + 0.001 * seed for seed in range(seeds)], CNN: [0.90 + 0.002 * seed for seed in range(seeds)]}


def judge(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["claims", str(root), "--json", *more]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["claims"]
    return found


def test_five_seeds_decide_none_of_four_claims_and_all_who_show_a_verdict_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write(tmp_path / "demo", scores(5), *FOUR)
    reason = "not decidable with 5 seeds, needs at least 8"
    message = f"inconclusive ({reason})"
    assert [claim["undecidable"] for claim in judge(paths.root, capsys)] == [reason] * 4
    assert {claim["verdict"] for claim in judge(paths.root, capsys)} == {"inconclusive"}, "the names stay"
    assert run(["claims", str(paths.root)]) == 0
    text = capsys.readouterr().out
    assert text.count(message) == 4
    assert "4 claims: 4 inconclusive; 4 cannot be decided with so few seeds" in text
    page = read_page(paths)
    assert page.claims is not None
    assert [claim.verdict_text for claim in page.claims.claims] == [message] * 4
    assert run(["report", str(paths.root), "--format", "md"]) == 0
    told = (paths.root / "report.md").read_text(encoding="utf-8")
    assert told.count(message) == 2 * 4, "where the claims stand, and among what is to be distrusted"
    assert read_content(paths).tables[0][1].count(message) == 4
    assert set(orchestrator.load(paths.root).claims()["undecidable"]) == {
        "not decidable with 5 seeds, needs at least 8"
    }


def test_the_number_is_that_of_the_plan_and_it_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims = stated(*FOUR)
    assert min_seeds(len(read_text(claims, Path("grid")).claims)) == 8
    for seeds in (7, 8):
        found = judge(write(tmp_path / str(seeds), scores(seeds), *FOUR).root, capsys)
        assert [claim["undecidable"] is None for claim in found] == [seeds == 8] * 4
    assert [claim["verdict"] for claim in found] == ["supported", "contradicted", "supported", "supported"]


@pytest.mark.parametrize(
    ("cells", "claims", "says"),
    [
        ({MLP: [0.5], CNN: [0.9]}, [CNN_WINS], "not decidable with 1 seed, needs at least 6"),
        (scores(5), [CLOSE], "not decidable with 5 seeds, needs at least 6"),
        # what diverges takes its pairs along
        (
            {MLP: [0.5] * 8, CNN: [*[0.9] * 5, "diverged", "diverged", "diverged"]},
            [CNN_WINS],
            "not decidable with the 5 pairs that came to a value, needs at least 6",
        ),
        (
            {MLP: [0.5] * 4, CNN: ["failed", 0.9, 0.9, 0.9]},
            [CNN_WINS],
            "not decidable with the 3 pairs that came to a value, needs at least 6",
        ),
        # seeds of two data sets count apart
        (
            {Cell(dataset, model): [0.5] * 2 for dataset in ("digits", "mnist") for model in ("mlp", "cnn")},
            ["better: {dataset: mnist}, than: {dataset: digits}, on: test_accuracy"],
            "not decidable with 2 seeds, needs at least 6",
        ),
    ],
)
def test_what_lacks_pairs_says_how_many_it_needs(
    cells: Scores, claims: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(write(tmp_path / "demo", cells, *claims).root, capsys)[0]["undecidable"] == says


def test_claims_that_were_withdrawn_and_looks_ask_for_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "demo", scores(6), CNN_WINS).root
    assert judge(root, capsys)[0]["undecidable"] is None
    other = tmp_path / "other.yaml"
    other.write_text(stated(LOSES))  # the grid's own claim is withdrawn, and stays in the correction
    assert judge(root, capsys, "--grid", str(other))[0]["undecidable"] == "not decidable with 6 seeds, needs at least 7"


def test_what_is_decided_before_it_is_not_counted_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Holm: of two claims, once one is decided by ten pairs the other one needs no more than if it were alone."""
    cells: Scores = {
        MLP: [0.5] * 10,
        CNN: [0.9] * 10,
        LSTM: [*[0.4] * 6, "diverged", "diverged", "diverged", "diverged"],
    }
    rest = "better: {model: cnn}, than: {model: lstm}, on: test_accuracy"
    clear, few = judge(write(tmp_path / "demo", cells, CNN_WINS, rest).root, capsys)
    assert (clear["verdict"], few["verdict"], few["undecidable"]) == ("supported", "supported", None)


@pytest.mark.parametrize(
    "cells",
    [
        {MLP: [0.5, 0.5, None], CNN: [0.9, 0.9, 0.9]},  # trials have still to run
        {MLP: ["failed"] * 3, CNN: [0.9] * 3},  # nothing can be compared
        {MLP: [0.5 + 0.1 * (seed % 2) for seed in range(10)], CNN: [0.6 - 0.1 * (seed % 2) for seed in range(10)]},
    ],
)
def test_what_is_open_for_another_reason_does_not_say_so(
    cells: Scores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (claim,) = judge(write(tmp_path / "demo", cells, CNN_WINS).root, capsys)
    assert (claim["verdict"], claim["undecidable"]) == ("inconclusive", None)


def test_a_page_of_a_sweep_under_way_has_no_figure_of_a_claim_on_the_test_split(tmp_path: Path) -> None:
    on_train = "better: {model: cnn}, than: {model: mlp}, on: train_accuracy"
    paths = write(tmp_path / "demo", {MLP: [0.5] * 9 + [None], CNN: [0.9] * 10}, CNN_WINS, on_train)
    page = read_page(paths)
    assert page.claims is not None
    test, train = page.claims.claims
    assert (test.effect, test.sureness, test.value, test.low) == ("", "", None, None)
    assert test.arms == "test scores are shown once all trials have ended"
    assert train.value == pytest.approx(0.4)
