"""What the page begins with: what came first, by how much, how sure that is, and what to distrust."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.report.markdown import markdown
from orchestrator.report.page import Page
from orchestrator.report.summary import Notice
from tests.orchestrator.evidence.stated import Scores, write
from tests.orchestrator.report.browser import needs_a_browser, opened
from tests.orchestrator.sample import Cell
from trainables.records import TrialResult

WAVE: Final = [0.01 * (seed % 5) for seed in range(10)]
CNN, MLP, RESNET = (Cell(model=model) for model in ("cnn", "mlp", "resnet"))
SCORES: Final[Scores] = {
    CNN: [0.85 + wave for wave in WAVE],
    MLP: [0.80 + wave + 0.001 * (seed % 3) for seed, wave in enumerate(WAVE)],
    RESNET: [0.70 + wave for wave in WAVE],
}


def sentences(notices: tuple[Notice, ...]) -> list[str]:
    return [notice.what for notice in notices]


def settled(ended: TrialResult) -> TrialResult:
    """Its best epoch is not its last."""
    return replace(ended, best_epoch=ended.epochs - 1)


def page_of(folder: Path, *claims: str, scores: Scores = SCORES, change=settled) -> Page:
    return read_page(write(folder / "demo", scores, *claims, changes=dict.fromkeys(scores, change)))


def test_by_how_much_the_first_is_ahead_of_the_next_and_of_the_last(tmp_path: Path):
    (first,) = page_of(tmp_path).winners
    following, last = sentences(first.ahead)
    assert re.fullmatch(r"0\.0491 ahead of the next, with mlp \(0\.8209, p = \S+ after Holm\)\.", following)
    assert last == "0.1500 ahead of the last (0.7200)."


def test_where_the_test_split_has_another_order_the_first_is_behind(tmp_path: Path):
    def luckier(ended: TrialResult) -> TrialResult:
        return replace(settled(ended), val=replace(ended.val, accuracy=0.99))

    changes = {CNN: settled, MLP: luckier}
    scores = {cell: SCORES[cell] for cell in changes}
    (first,) = read_page(write(tmp_path / "demo", scores, changes=changes)).winners
    assert first.label.startswith("mlp ")
    assert sentences(first.ahead)[0].startswith("0.0491 behind the next on the test split, with cnn (0.8700, p = ")
    assert "1 of them did better on the test split, though not on validation." in sentences(first.sure)


def test_nothing_is_doubted_of_what_is_whole(tmp_path: Path):
    page = page_of(tmp_path)
    assert (page.notices, page.doubts) == ((), ())
    assert "No warning sign was found" in render(page)


def test_trials_that_broke_or_learned_nothing_or_were_cut_off_are_doubted(tmp_path: Path):
    def stuck(ended: TrialResult) -> TrialResult:
        return replace(settled(ended), stuck=True)

    def cut(ended: TrialResult) -> TrialResult:
        return replace(ended, best_epoch=ended.epochs)

    scores = {**SCORES, RESNET: [*SCORES[RESNET][:9], "diverged"]}
    page = read_page(write(tmp_path / "demo", scores, changes={CNN: cut, MLP: settled, RESNET: stuck}))
    broke, unlearned, early = page.doubts
    assert (broke.what, broke.section) == (page.failures, "failures")
    assert unlearned.what.startswith("9 completed trials of 1 cell learned nothing: ")
    assert early.what == (
        "Training may have been cut off: in 10 of 29 trials the best epoch is the last, also for the first cell."
    )
    text = markdown(page)
    assert "## What to distrust" in text
    assert "- 9 completed trials of 1 cell learned nothing" in text


def test_claims_that_are_open_or_confounded_are_doubted_and_others_not(tmp_path: Path):
    page = page_of(
        tmp_path,
        "better: {model: cnn}, than: {model: mlp}, on: test_accuracy",
        "better: {model: cnn}, than: {model: mlp}, on: test_accuracy, margin: 0.049",
        scores={cell: SCORES[cell] for cell in (CNN, MLP)},
    )
    assert page.claims is not None
    assert [claim.outcome for claim in page.claims.claims] == ["supported", "inconclusive"]
    (doubt,) = page.doubts
    assert doubt.what.startswith("Claim H2 is inconclusive")
    assert doubt.section == "claims"


@needs_a_browser
def test_a_command_stands_apart_and_links_lead_to_sections(tmp_path: Path):
    page = page_of(tmp_path, scores={**SCORES, RESNET: [*SCORES[RESNET][:9], "failed"]})
    file = tmp_path / "report.html"
    file.write_text(render(page), encoding="utf-8")
    with opened(file) as shown:
        summary = shown.locator("#summary")
        assert "`" not in summary.inner_text()
        assert summary.locator(".answer code").all_inner_texts() == ["orch sweep GRID --confirm"]
        for link in summary.locator("a.there").all():
            assert shown.locator(link.get_attribute("href") or "").count() == 1
        first, doubts = shown.locator(".answer").bounding_box(), shown.locator("#doubts").bounding_box()
        assert first is not None and doubts is not None
        assert first["y"] + first["height"] <= doubts["y"] < 900, "on the first screen"
