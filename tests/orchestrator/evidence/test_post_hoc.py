"""When a claim was made, and seeds that are added for its sake: real sweeps, one after another into one directory."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import run
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.report.markdown import markdown
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.board_content import read_content

GRID = """\
name: demo
axes:
  dataset: {{name: digits, per_class: 20}}
  model: [{{name: mlp, hidden: [[4], [64]]}}, {{name: cnn, channels: [4]}}]
  optimizer: adam
seeds: {seeds}
protocol: {{epochs: 3, batch_size: 32}}
wandb: {{mode: disabled}}
claims:
{claims}"""
UNITS = "{id: H1, text: more units help, better: {model: mlp(hidden=64)}, than: {model: mlp(hidden=4)}, on: %s}"
CNN = "{id: H2, text: a cnn beats them, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sweep(capsys: pytest.CaptureFixture[str]):
    def go(*claims: str, seeds: int = 2, options: tuple[str, ...] = ()) -> dict[str, Any]:
        text = GRID.format(seeds=seeds, claims="".join(f"  - {claim}\n" for claim in claims))
        Path("grid.yaml").write_text(text)
        capsys.readouterr()
        code = run(["sweep", "grid.yaml", "--engine", "inline", "--json", "-q", *options])
        assert code == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return go


@pytest.fixture
def claims(capsys: pytest.CaptureFixture[str]):
    def read(*options: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["claims", "results/demo", "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    return read


def late(judged: dict[str, Any]) -> dict[str, bool]:
    return {claim["id"]: claim["post_hoc"] for claim in judged["claims"]}


def test_a_claim_that_is_changed_or_added_after_its_data_is_post_hoc(sweep, claims) -> None:
    before = UNITS % "test_accuracy"
    sweep(before)
    assert late(claims()) == {"H1": False}
    sweep(before, CNN)
    assert late(claims()) == {"H1": False, "H2": True}
    changed = UNITS % "val_accuracy"
    Path("other.yaml").write_text(Path("grid.yaml").read_text().replace(before, changed))
    assert late(claims("--grid", "other.yaml")) == {"H1": True, "H2": True}
    sweep(changed, CNN, seeds=3)
    judged = claims()
    assert late(judged) == {"H1": True, "H2": True}
    assert judged["dropped"] == ["H1 (more units help)"]
    message = "An earlier grid claimed what this one does not (p is corrected for it too): H1 (more units help)"
    paths = ResultsPaths(Path("results/demo"))
    page = read_page(paths)
    assert message in render(page)
    assert message in markdown(page)
    assert any(message in text for _, text in read_content(paths).tables)
    sweep(before, CNN, seeds=3)
    assert late(claims()) == {"H1": False, "H2": True}


def test_a_claim_about_cells_that_are_new_is_not(sweep, claims, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(UNITS % "test_accuracy")
    before = Path("grid.yaml").read_text()
    text = before.replace("optimizer: adam", "optimizer: [adam, sgd]")
    about = "{id: H3, text: sgd, better: {model: cnn}, than: {model: mlp}, on: test_accuracy, where: {optimizer: sgd}}"
    Path("grid.yaml").write_text(f"{text}  - {about}\n")
    assert run(["sweep", "grid.yaml", "--engine", "inline", "-q"]) == 0
    assert late(claims()) == {"H1": False, "H3": False}
    assert run(["claims", "results/demo"]) == 0
    assert "post hoc" not in capsys.readouterr().out


def test_seeds_that_are_added_for_one_claim_leave_the_others_as_they_were(sweep, claims) -> None:
    """Of the seeds that two cells have and the third has not, a mean over all three is none."""
    both = (
        UNITS % "test_accuracy",
        "{id: H2, text: a cnn wins, better: {model: cnn}, than: {model: mlp}, on: test_mse}",
    )
    sweep(*both)
    sweep(*both, options=("--add-seeds",))
    own, other = claims()["claims"]
    assert own["n"] > 2
    assert own["arms"][0]["trials"] == {"completed": own["n"]}
    assert (other["n"], other["left_out"]) == (0, 2)


def test_seeds_that_are_added_go_to_the_cells_of_open_claims_and_stay(
    sweep, claims, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = UNITS % "val_accuracy, scope: these_pictures"
    assert sweep(claim)["ran"] == 6
    first = claims()["claims"][0]
    assert (first["n"], first["looks"]) == (2, None)
    assert "--add-seeds" in first["decide"]
    added = sweep(claim, options=("--add-seeds",))
    then = claims()["claims"][0]
    assert then["verdict"] == "supported"
    assert then["looks"]["planned"] == [2, 9, 12, 16, 21, 28, 37, 40]
    assert then["looks"]["taken"][-1] == then["n"] == 2 + added["ran"] / 2, "two cells of three"
    assert then["p"] < then["p_corrected"] <= 0.05
    assert any("planned again once after a look at the data, so p is multiplied by 2" in note for note in then["notes"])
    counts = {"completed": 6 + added["ran"]}
    assert sweep(claim)["counts"] == counts, "planned without the option too"
    assert sweep(claim, options=("--add-seeds",))["counts"] == counts, "what is decided gets no more"
    assert claims()["claims"][0] == then
    capsys.readouterr()
    assert run(["plan", "grid.yaml", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["trials"], planned["done"], planned["to_run"]) == (6 + added["ran"], 6 + added["ran"], 0)


def test_seeds_are_not_added_beyond_max_trials(sweep, capsys: pytest.CaptureFixture[str]) -> None:
    claim = UNITS % "test_accuracy"
    sweep(claim)
    capsys.readouterr()
    assert run(["sweep", "grid.yaml", "--engine", "inline", "--add-seeds", "--max-trials", "7", "-q"]) == 2
    assert "with the seeds that may be added" in capsys.readouterr().err
    journal = Journal.read(Path("results/demo/journal.sqlite"))
    ((sweeps,),) = journal.query("SELECT count(*) FROM environments")
    journal.close()
    assert sweeps == 1, "what was refused is no sweep"
    assert sweep(claim)["ran"] == 0, "none was kept for a later sweep"
