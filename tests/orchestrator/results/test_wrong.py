"""`orch results RESULTS --wrong TRIAL`, and the pictures of the page that are taken for others."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.errors import UserError
from orchestrator.plan.progress import SilentProgress
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.results.wrong import trial_with_predictions
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.orchestrator import sample
from tests.orchestrator.sample import CNN_SGD, MLP_SGD
from tests.orchestrator.store.predictions import made
from trainables.training.predictions import SplitExamples, rounded

MARKUP = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    """Two cells, a trial each; one file is called as an attack."""
    paths = ResultsPaths(tmp_path / "results")
    journal = Journal.create_or_open(paths.journal)
    sample.plan(journal, (MLP_SGD, CNN_SGD), seeds=(0,))
    usual = made.predictions(0)
    named = SplitExamples(made.TARGETS, None, [MARKUP] * made.EXAMPLES).packed()
    made.complete(journal, MLP_SGD, 0, said=type(usual)(usual.split_id, usual.examples, usual.answers, named))
    made.complete(journal, CNN_SGD, 0, said=made.predictions(5, split=False))
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def test_the_least_probable_truths_stand_first(paths: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["results", str(paths.root), "--wrong", MLP_SGD.trial_id(0)[:5], "--json", "--limit", "7"]) == 0
    shown = json.loads(capsys.readouterr().out)
    said = made.answers(0)
    wrong = said.predicted != made.TARGETS
    expected = sorted(rounded(said.probability)[wrong].tolist())[:7]  # type: ignore[arg-type]
    assert [row["probability"] for row in shown] == expected
    for row in shown:
        assert wrong[row["position"]]
        assert row["source"] == MARKUP
        assert row["target"] != row["predicted"]


def test_what_is_no_trial_with_predictions_is_told_so(paths: ResultsPaths) -> None:
    with pytest.raises(UserError, match="no trial's id begins with 'nothing'"):
        trial_with_predictions(paths, "nothing")
    with pytest.raises(UserError, match="2 trials begin with ''"):
        trial_with_predictions(paths, "")


def test_a_trial_without_predictions_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sample.write_sample(tmp_path)
    assert run(["results", str(paths.root), "--wrong", MLP_SGD.trial_id(0)]) == 2
    assert f"no predictions are kept for trial {MLP_SGD.trial_id(0)}, which is completed" in capsys.readouterr().err


def test_the_page_has_what_every_cell_gets_wrong_and_no_markup_of_a_name(paths: ResultsPaths) -> None:
    page = read_page(paths)
    (gallery,) = page.galleries
    both = (made.answers(0).predicted != made.TARGETS) & (made.answers(5).predicted != made.TARGETS)
    assert (gallery.cells, gallery.everywhere, gallery.examples) == (2, int(both.sum()), made.EXAMPLES)
    assert len(gallery.shared) == 12
    text = render(page)
    assert MARKUP not in text
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in text
    assert page.damage == ()


def test_the_page_shows_pictures_that_this_machine_has_decoded(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(
        "name: demo\naxes: {dataset: digits, model: {name: mlp, hidden: [4]}, optimizer: sgd, regularizer: none}\n"
        "protocol: {epochs: 1}\nwandb: {mode: disabled}\n"
    )
    results = tmp_path / "results"
    run_sweep(SweepRequest(tmp_path / "grid.yaml", engine="inline", results=results), SilentProgress())
    (gallery,) = read_page(ResultsPaths(results)).galleries
    assert len(gallery.surest) == 12
    assert all(picture.image.startswith("data:image/png;base64,") for picture in gallery.surest)
    shown = re.findall(
        r'<li><img src="data:image/png;base64,[^"]+" alt="([^"]+)">', render(read_page(ResultsPaths(results)))
    )
    assert len(shown) == 12
    assert all(re.fullmatch(r"[0-9a-f]{16}, which is \d, taken for \d", text) for text in shown)
