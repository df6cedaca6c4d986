"""What else differs between the arms of a claim is told, and makes it confounded where the claim forbids it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.cli import run
from orchestrator.errors import GridError
from orchestrator.evidence.arms import chosen, facts_of
from orchestrator.grid.reader import read_text
from orchestrator.report.contents import read_page
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import Change, Scores, stated, write
from tests.orchestrator.sample import Cell
from trainables.records import TrialResult
from trainables.tasks._by_class import ClassBreakdown, ClassRow

CNN, MLP = Cell(model="cnn"), Cell(model="mlp")
TUNED = Cell(
    model="cnn", tuning=json.dumps({"trials": 20, "search": "random", "scheduler": "none", "seed": 0, "space": {}})
)
WINS = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
BEHIND, AHEAD = [0.80 + 0.01 * (seed % 3) for seed in range(8)], [0.90 + 0.01 * (seed % 3) for seed in range(8)]


def converged(ended: TrialResult) -> TrialResult:
    return replace(ended, best_epoch=2)


def cut_off(ended: TrialResult) -> TrialResult:
    return replace(ended, best_epoch=ended.epochs)


def smaller(ended: TrialResult) -> TrialResult:
    return replace(converged(ended), costs=replace(ended.costs, parameters=1000))


def cheaper(ended: TrialResult) -> TrialResult:
    return replace(converged(ended), costs=replace(ended.costs, flops=5000))


def shorter(ended: TrialResult) -> TrialResult:
    assert ended.steps is not None
    return replace(converged(ended), steps=ended.steps // 2)


def two_workers(ended: TrialResult) -> TrialResult:
    return replace(converged(ended), world_size=2)


def fewer_labels(ended: TrialResult) -> TrialResult:
    return replace(converged(ended), sizes=replace(ended.sizes, val_size=18))


def more_examples(ended: TrialResult) -> TrialResult:
    return replace(converged(ended), sizes=replace(ended.sizes, generated_size=1257))


def skewed_test(ended: TrialResult) -> TrialResult:
    skewed = tuple(replace(row, support=support) for row, support in zip(_classes(ended), (200, 80, 20), strict=True))
    return replace(converged(ended), breakdown=replace(ended.breakdown, classes=skewed))


def _classes(ended: TrialResult) -> tuple[ClassRow, ...]:
    assert isinstance(ended.breakdown, ClassBreakdown)
    return ended.breakdown.classes


def judged(paths: ResultsPaths, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["claims", str(paths.root), "--json"]) == 0
    claims: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["claims"]
    return claims


@pytest.mark.parametrize(
    ("planted", "fair", "words"),
    [
        (smaller, "parameters: 1.2", "parameters: cnn 5,000, mlp 1,000 (5 times)"),
        (cheaper, "flops: 1.5", "FLOPs of one example: cnn 10,000, mlp 5,000 (2 times)"),
        (shorter, "steps: equal", "optimizer steps: cnn 60, mlp 30 (2 times)"),
        (two_workers, "workers: equal", "workers (world size): cnn 1, mlp 2 (2 times)"),
        (fewer_labels, "validation_labels: equal", "validation labels: cnn 180, mlp 18 (10 times)"),
        (more_examples, "training_examples: equal", "training examples: cnn 1,257, mlp 2,514 (2 times)"),
        (
            cut_off,
            "converged: true",
            "cut-off training: cnn best epoch is the last in 0 %, mlp best epoch is the last in 100 %",
        ),
    ],
)
def test_a_planted_confounder_is_named_and_forbidden_where_the_claim_says_so(
    planted: Change, fair: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: Mapping[Cell, Change] = {CNN: converged, MLP: planted}
    scores: Scores = {CNN: AHEAD, MLP: BEHIND}
    plain, asking = judged(write(tmp_path / "demo", scores, WINS, f"{WINS}, fair: {{{fair}}}", changes=changes), capsys)
    assert [one["text"] for one in plain["differs"]] == [words]
    assert (plain["verdict"], plain["confounded_by"]) == ("supported", [])
    assert (asking["verdict"], asking["confounded_by"]) == ("confounded", [words.partition(":")[0]])
    assert asking["effect"] == plain["effect"]
    alike = judged(
        write(tmp_path / "alike", scores, f"{WINS}, fair: {{{fair}}}", changes=dict.fromkeys(scores, converged)), capsys
    )
    assert (alike[0]["verdict"], alike[0]["differs"]) == ("supported", [])


def test_another_test_prior_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skewed = Cell(dataset="mnist", model="mlp")
    better = "better: {dataset: digits}, than: {dataset: mnist}, on: test_accuracy, fair: {test_prior: equal}"
    changes: Mapping[Cell, Change] = {MLP: converged, skewed: skewed_test}
    (claim,) = judged(write(tmp_path / "demo", {MLP: AHEAD, skewed: BEHIND}, better, changes=changes), capsys)
    assert claim["verdict"] == "confounded"
    words = "test prior: digits 33 % to 33 % a class, mnist 7 % to 67 % a class"
    assert [one["text"] for one in claim["differs"]] == [words]


def test_an_untuned_arm_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asking = f"{WINS}, fair: {{tuning: equal}}"
    changes = dict.fromkeys((TUNED, MLP), converged)
    (claim,) = judged(write(tmp_path / "demo", {TUNED: AHEAD, MLP: BEHIND}, asking, changes=changes), capsys)
    assert claim["verdict"] == "confounded"
    assert claim["differs"][0]["text"] == "tuning: cnn random search, 20 trials of each cell, mlp untuned"


def test_training_that_is_cut_off_in_both_arms_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (claim,) = judged(
        write(tmp_path / "demo", {CNN: AHEAD, MLP: BEHIND}, WINS, changes=dict.fromkeys((CNN, MLP), cut_off)), capsys
    )
    assert [one["what"] for one in claim["differs"]] == ["converged"]


def test_what_no_table_has_leaves_it_open_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def uncounted(ended: TrialResult) -> TrialResult:
        return replace(converged(ended), steps=None)

    changes: Mapping[Cell, Change] = {CNN: converged, MLP: uncounted}
    (claim,) = judged(
        write(tmp_path / "demo", {CNN: AHEAD, MLP: BEHIND}, f"{WINS}, fair: {{steps: equal}}", changes=changes), capsys
    )
    assert claim["verdict"] == "inconclusive"
    assert claim["notes"] == ["fairness cannot be checked: no trial has optimizer steps of mlp"]
    assert "seeds" not in claim["decide"].removeprefix("no seeds")


def test_an_arm_that_selects_the_last_epoch_tells_nothing_of_convergence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = {model: Cell(model=model, select="last") for model in ("cnn", "mlp")}
    scores: Scores = {last["cnn"]: AHEAD, last["mlp"]: BEHIND}
    (claim,) = judged(write(tmp_path / "demo", scores, f"{WINS}, fair: {{converged: true}}"), capsys)
    assert claim["verdict"] == "inconclusive"
    assert claim["notes"] == ["fairness cannot be checked: no trial has cut-off training of cnn and mlp"]


def test_arms_of_an_interaction_are_compared_at_each_place_and_places_beside_one_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mnist = {model: Cell(dataset="mnist", model=model) for model in ("cnn", "mlp")}
    scores: Scores = {CNN: AHEAD, MLP: BEHIND, mnist["cnn"]: BEHIND, mnist["mlp"]: BEHIND}
    changes: dict[Cell, Change] = dict.fromkeys(scores, converged)
    changes |= {mnist["cnn"]: shorter, mnist["mlp"]: shorter}
    more = f"{WINS}, more_where: {{dataset: digits}}, less_where: {{dataset: mnist}}, fair: {{steps: equal}}"
    (claim,) = judged(write(tmp_path / "demo", scores, more, changes=changes), capsys)
    assert [one["text"] for one in claim["differs"]] == ["optimizer steps: cnn at digits 60, cnn at mnist 30 (2 times)"]
    assert claim["verdict"] != "confounded"  # its arms are alike wherever they are compared
    changes[mnist["mlp"]] = converged
    (unfair,) = judged(write(tmp_path / "unfair", scores, more, changes=changes), capsys)
    assert unfair["verdict"] == "confounded"


def test_nothing_is_confounded_before_its_trials_have_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores: Scores = {CNN: [*AHEAD[:7], None], MLP: BEHIND}
    changes: Mapping[Cell, Change] = {CNN: converged, MLP: smaller}
    (claim,) = judged(write(tmp_path / "demo", scores, f"{WINS}, fair: {{parameters: equal}}", changes=changes), capsys)
    assert claim["verdict"] == "inconclusive"
    assert "has still to run" in claim["decide"]


def test_text_and_page_say_by_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes: Mapping[Cell, Change] = {CNN: converged, MLP: smaller}
    paths = write(tmp_path / "demo", {CNN: AHEAD, MLP: BEHIND}, f"{WINS}, fair: {{parameters: 2}}", changes=changes)
    assert run(["claims", str(paths.root)]) == 0
    text = capsys.readouterr().out
    assert "H1  confounded (by parameters): as said" in text
    assert "  what else differs: parameters: cnn 5,000, mlp 1,000 (5 times)" in text
    assert "demo, 1 claim: 1 confounded" in text
    page = read_page(paths)
    assert page.claims is not None
    (claim,) = page.claims.claims
    assert (claim.outcome, claim.verdict_text) == ("confounded", "confounded (by parameters)")
    assert claim.notes[1:] == ("what else differs: parameters: cnn 5,000, mlp 1,000 (5 times)",)


@pytest.mark.parametrize(
    ("fair", "says"),
    [
        ("{}", "it has to name what the arms have in common, such as {parameters: 1.2}"),
        ("{parameters: 0.5}", "it is `equal`, or the largest ratio between the arms, 1 or more, such as 1.2, not 0.5"),
        ("{steps: true}", "1 or more, such as 1.2, not true"),
        ("{steps: alike}", 'such as 1.2, not "alike"'),
        ("{converged: false}", "0 or more and below 1, not false"),
        ("{tuning: 2}", "has to be one of equal, not 2"),
        ("{parametres: 1.2}", "did you mean parameters?"),
        ("equal", "a mapping with keys such as parameters, flops, steps"),
    ],
)
def test_a_condition_that_is_none_is_told_with_its_place(fair: str, says: str) -> None:
    with pytest.raises(GridError) as caught:
        read_text(stated(f"{WINS}, fair: {fair}"), Path("grid.yaml"))
    assert str(caught.value).startswith("grid.yaml:8:")
    assert says in str(caught.value)


def test_a_claim_without_conditions_keeps_the_digest_that_it_had() -> None:
    plain, asking = read_text(stated(WINS, f"{WINS}, fair: {{steps: equal}}"), Path("grid.yaml")).claims
    assert plain.digest == "717783a775790691"
    assert asking.digest != plain.digest


def test_what_tuning_chose_is_told() -> None:
    texts = ['{"optimizer.lr": 0.045}'] * 6 + ['{"optimizer.lr": 0.038}'] * 4 + [None]
    told = chosen("sgd", pd.DataFrame({"tuned": texts}))
    assert told == "tuning chose for sgd: optimizer.lr=0.045 (6 trials), optimizer.lr=0.038 (4 trials)"
    assert chosen("sgd", pd.DataFrame({"tuned": [None]})) is None


def test_steps_of_what_diverged_say_nothing_of_its_arm(tmp_path: Path) -> None:
    paths = write(tmp_path / "demo", {MLP: [*BEHIND[:6], "diverged", "diverged"]}, WINS)
    trials = pd.read_parquet(paths.table("trials"))
    broke = trials["status"] == "diverged"
    assert broke.sum() == 2
    all_steps = trials.loc[~broke, "steps"].mean()
    assert facts_of("mlp", trials.assign(steps=trials["steps"].where(~broke, 1)), {}).steps == all_steps > 1
    assert facts_of("mlp", trials[broke].assign(steps=1), {}).steps is None
