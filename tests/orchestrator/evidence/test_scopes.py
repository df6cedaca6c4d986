"""What a verdict is about: these test pictures, or pictures like these, by how the test split was come by."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import orchestrator
from orchestrator.cli import run
from orchestrator.errors import GridError
from orchestrator.evidence.pairing import Units, units_of
from orchestrator.evidence.stats.design import FixedPictures, RedrawnPictures
from orchestrator.evidence.stats.scope import Stratum, scoped_test
from orchestrator.evidence.strata import drawn
from orchestrator.grid.measures import measure_named
from orchestrator.grid.reader import read_text
from orchestrator.report.contents import read_page
from results_schema.measured import headlines_of_measurements
from tests.orchestrator.evidence.stated import Change, Scores, stated, write
from tests.orchestrator.sample import Cell
from trainables.records import SplitDesign, TrialResult

CNN, MLP = Cell(model="cnn"), Cell(model="mlp")
WINS = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
THESE = "scope: these_pictures"
BEHIND = [0.80 + 0.01 * (seed % 5) for seed in range(10)]
DIFFERENCES = np.array([0.008, 0.012, 0.010, 0.006, 0.014, 0.010, 0.009, 0.011, 0.013, 0.007])
"""Symmetric about 0.01."""
AHEAD = [float(score + more) for score, more in zip(BEHIND, DIFFERENCES, strict=True)]


def by_design(design: SplitDesign | None) -> Change:
    def change(ended: TrialResult) -> TrialResult:
        return replace(ended, sizes=replace(ended.sizes, split_design=design))

    return change


@pytest.fixture
def judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def judge(scores: Scores, *claims: str, changes: Mapping[Cell, Change] | None = None) -> list[dict[str, Any]]:
        root = write(tmp_path / "demo", scores, *claims, changes=changes).root
        capsys.readouterr()
        assert run(["claims", str(root), "--json"]) == 0
        return json.loads(capsys.readouterr().out)["claims"]

    return judge


def test_redrawn_splits_have_the_corrected_variance_and_these_pictures_have_student_s(judged) -> None:
    wide, narrow = judged({MLP: BEHIND, CNN: AHEAD}, WINS, f"{WINS}, {THESE}")
    assert (wide["scope"], narrow["scope"]) == ("on pictures like these", "on these test pictures")
    reach = stats.t.ppf(0.975, 9) * DIFFERENCES.std(ddof=1)
    corrected = reach * (1 / 10 + 360 / 1257) ** 0.5  # Nadeau and Bengio (2003)
    assert (wide["low"], wide["high"]) == pytest.approx((0.01 - corrected, 0.01 + corrected), abs=1e-9)
    assert (narrow["low"], narrow["high"]) == pytest.approx((0.01 - reach / 10**0.5, 0.01 + reach / 10**0.5), abs=1e-9)
    assert (wide["test"], wide["df"]) == ("corrected resampled t", 9)
    assert wide["p"] >= narrow["p"] == 2 / 2**10
    assert wide["these_pictures"]["low"] == pytest.approx(narrow["low"])
    assert (wide["withheld"], narrow["these_pictures"]) == (None, None)


def test_an_older_table_tells_a_drawn_split_by_its_size(judged) -> None:
    (claim,) = judged({MLP: BEHIND, CNN: AHEAD}, WINS, changes=dict.fromkeys((MLP, CNN), by_design(None)))
    assert claim["test"] == "corrected resampled t"


def test_an_official_split_without_predictions_is_judged_by_the_worst_or_not_at_all(judged) -> None:
    changes = dict.fromkeys((MLP, CNN), by_design("official"))
    on_brier = "better: {model: cnn}, than: {model: mlp}, on: test_brier"
    accuracy, brier, narrow = judged({MLP: BEHIND, CNN: AHEAD}, WINS, on_brier, f"{on_brier}, {THESE}", changes=changes)
    assert accuracy["test"] == "seeds, and the most that pictures may bring"
    assert accuracy["high"] - accuracy["low"] > 0.1  # 360 pictures tell no more of 1 % where nothing is known of them
    assert accuracy["verdict"] == "inconclusive"
    assert (brier["verdict"], brier["p"], brier["p_corrected"], brier["low"]) == ("inconclusive", None, None, None)
    assert "keep_predictions" in brier["withheld"]
    assert "`scope: these_pictures`" in brier["decide"]
    assert brier["these_pictures"]["effect"] == pytest.approx(0)
    assert narrow["withheld"] is None


def test_what_reads_no_test_picture_says_so_and_needs_no_correction(judged) -> None:
    (claim,) = judged(
        {MLP: BEHIND, CNN: AHEAD},
        "higher: {model: cnn}, than: {model: mlp}, on: train_accuracy",
        changes=dict.fromkeys((MLP, CNN), by_design("official")),
    )
    assert claim["scope"] == "of training on these data (no test picture is read)"
    assert (claim["test"], claim["verdict"]) == ("Student's t over seeds", "supported")


HEADLINES = [field.name for each in headlines_of_measurements() for field in fields(each)]


@pytest.mark.parametrize("name", [*HEADLINES, "agreement", "max_abs_difference", "cue_conflicts_accuracy"])
@pytest.mark.parametrize(("split", "design"), [("redrawn", RedrawnPictures), ("official", type(None))])
def test_what_is_found_on_test_pictures_is_about_pictures(name: str, split: str, design: type) -> None:
    """Whatever its name: seeds whose test pictures are alike, or of one pool, tell less than as many of their own would."""
    on = measure_named(name)
    assert on is not None and on.reads_test
    drawn_so = {"split_design": split, "dataset_config": "{}", "protocol_config": "{}", "varied": None}
    rows = pd.DataFrame([{**drawn_so, "seed": seed, "test_size": 200.0, "train_size": 800.0} for seed in range(3)])
    assert isinstance(drawn(rows.assign(unlabelled_size=0.0), on), design)


@pytest.mark.parametrize("name", ["parameters", "speedup", "train_accuracy", "size_ratio", "gradient_reach_last"])
def test_what_is_of_training_or_of_time_is_about_no_picture(name: str) -> None:
    on = measure_named(name)
    assert on is not None and not on.reads_test


def test_variants_of_one_set_are_one_stratum(judged) -> None:
    """They share their pictures: of a seed of both there is one value."""
    noisy = {model: Cell(dataset="mnist", model=model) for model in ("mlp", "cnn")}  # with the fingerprint of digits
    scores: Scores = {MLP: BEHIND, CNN: AHEAD, noisy["mlp"]: BEHIND, noisy["cnn"]: BEHIND}
    (claim,) = judged(scores, WINS)
    assert claim["n"] == 10
    assert claim["effect"] == pytest.approx(0.005)
    assert claim["scope"] == "on pictures like these"


def test_an_effect_that_turns_between_levels_is_not_pooled_in_silence(judged) -> None:
    adam = {model: Cell(model=model, optimizer="adam lr=0.003") for model in ("mlp", "cnn")}
    scores: Scores = {MLP: BEHIND, CNN: AHEAD, adam["mlp"]: AHEAD, adam["cnn"]: BEHIND}
    pooled, one = judged(scores, WINS, f"{WINS}, where: {{optimizer: sgd}}")
    assert pooled["verdict"] == "inconclusive"
    (note,) = pooled["notes"]
    assert note.startswith("its sign differs between levels of optimizer: sgd lr=0.1 0.01 [0.00")
    assert "adam lr=0.003 -0.01 [-0.0" in note
    assert [(level["axis"], level["name"]) for level in pooled["levels"]] == [
        ("optimizer", "sgd lr=0.1"),
        ("optimizer", "adam lr=0.003"),
    ]
    assert (one["verdict"], one["notes"]) == ("supported", [])


MNIST = {model: Cell(dataset="mnist", model=model) for model in ("mlp", "cnn")}
MORE = f"{WINS}, more_where: {{dataset: digits}}, less_where: {{dataset: mnist}}"


def shifted(by: float) -> list[float]:
    return [float(score + by * (1 + more)) for score, more in zip(BEHIND, DIFFERENCES, strict=True)]


def test_what_helps_more_somewhere_has_to_help_there(judged) -> None:
    """The difference is -0.02 at digits and -0.06 at mnist: harm that is less is no help."""
    harm, help_ = judged(
        {MLP: BEHIND, CNN: shifted(-0.02), MNIST["mlp"]: BEHIND, MNIST["cnn"]: shifted(-0.06)},
        MORE,
        MORE.replace("better", "lower").replace("digits", "x").replace("mnist", "digits").replace("x", "mnist"),
    )
    assert harm["effect"] == pytest.approx(0.04, abs=0.001)
    assert harm["verdict"] == "contradicted"
    assert [(place["name"], round(place["effect"], 3)) for place in harm["places"]] == [
        ("digits", -0.02),
        ("mnist", -0.061),
    ]
    assert harm["places"][0]["low"] < harm["places"][0]["high"] < 0
    assert harm["notes"][-1] == (
        "it is larger at digits and not above 0 there, so it does not help more but harms less"
    )
    assert help_["verdict"] == "supported"


def test_an_interaction_is_supported_where_both_its_parts_are(judged) -> None:
    (claim,) = judged({MLP: BEHIND, CNN: shifted(0.06), MNIST["mlp"]: BEHIND, MNIST["cnn"]: shifted(0.02)}, MORE)
    assert claim["verdict"] == "supported"
    assert claim["notes"][0].startswith("the difference at digits 0.06")


def test_a_larger_difference_that_is_not_surely_above_0_leaves_it_open(judged) -> None:
    noise = [float(score + 0.05 * (-1) ** seed) for seed, score in enumerate(shifted(0.003))]
    lower = [float(score - 0.08) for score in noise]
    (claim,) = judged({MLP: BEHIND, CNN: noise, MNIST["mlp"]: BEHIND, MNIST["cnn"]: lower}, MORE)
    assert claim["effect"] == pytest.approx(0.08)
    assert claim["low"] > 0
    assert claim["verdict"] == "inconclusive"


def test_a_trend_of_differences_shows_each_level(judged) -> None:
    sizes = {
        f"{level}{model}": Cell(model=model, optimizer=level)
        for level in ("sgd lr=0.1", "adam lr=0.003")
        for model in ("mlp", "cnn")
    }
    scores: Scores = {
        sizes["sgd lr=0.1mlp"]: BEHIND,
        sizes["sgd lr=0.1cnn"]: shifted(0.01),
        sizes["adam lr=0.003mlp"]: BEHIND,
        sizes["adam lr=0.003cnn"]: shifted(0.05),
    }
    (claim,) = judged(scores, f"{WINS}, over: {{optimizer: [sgd, adam]}}")
    assert (claim["kind"], claim["verdict"]) == ("trend", "supported")
    assert [place["name"] for place in claim["places"]] == ["sgd", "adam"]


def test_no_interval_is_shown_below_three_pairs(judged) -> None:
    (claim,) = judged({MLP: [0.8, 0.81], CNN: [0.9, 0.92]}, WINS)
    assert (claim["low"], claim["high"]) == (None, None)
    assert claim["effect"] == pytest.approx(0.105)


def test_text_and_page_say_the_scope(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write(tmp_path / "demo", {MLP: BEHIND, CNN: AHEAD}, WINS)
    assert run(["claims", str(paths.root)]) == 0
    text = capsys.readouterr().out
    assert "  on pictures like these: difference 0.01 [" in text
    assert "  on these test pictures alone: 0.01 [" in text
    page = read_page(paths)
    assert page.claims is not None
    (claim,) = page.claims.claims
    assert claim.effect.startswith("on pictures like these: difference 0.01 [")
    assert claim.notes[0].startswith("on these test pictures alone: 0.01 [")


def test_a_scope_that_is_none_is_told_with_its_place() -> None:
    with pytest.raises(
        GridError, match=r"grid.yaml:8:\d+: claims\[0\].scope has to be one of these_pictures, pictures_like_these"
    ):
        read_text(stated(f"{WINS}, scope: everything"), Path("grid.yaml"))


SWEPT = """\
name: crossed
axes:
  dataset: [digits, {name: digits, per_class: 30}]
  model: [{name: mlp, hidden: [8]}, {name: mlp, hidden: [32]}]
  optimizer: [{name: sgd, lr: 0.1}]
seeds: 4
protocol: {epochs: 2, splits: {test_seed: 0}}
claims:
  - {id: H1, text: the wider one, better: {model: "mlp(hidden=32)"}, than: {model: "mlp(hidden=8)"}, on: test_accuracy}
"""


def test_seeds_and_pictures_are_crossed_where_predictions_are_kept(tmp_path: Path) -> None:
    """A real sweep of a fixed test split, beside the contrast that its predictions give by hand."""
    grid, root = tmp_path / "grid.yaml", tmp_path / "results"
    grid.write_text(SWEPT)
    asked = ["sweep", str(grid), "--engine", "inline", "--results", str(root), "--wandb", "disabled", "-q"]
    assert run(asked) == 0
    results = orchestrator.load(root)
    said = results.predictions().merge(results.examples, on=["split_id", "position"])
    right = said.assign(right=(said["predicted"] == said["target"]).astype(float)).merge(
        results.trials[["trial_id", "model", "seed"]].astype({"trial_id": str}), on="trial_id"
    )
    means: pd.DataFrame = right.pivot_table(index="seed", columns=["model", "position"], values="right")
    contrast = (means["mlp(hidden=32)"] - means["mlp(hidden=8)"]).to_numpy()
    by_hand = scoped_test([Stratum(contrast.mean(axis=1), FixedPictures(contrast))], 0.0, "pictures like these")
    claim = results.claims().iloc[0]
    assert claim["test"] == "seeds and pictures crossed (Hillis)"
    assert (claim["effect"], claim["low"], claim["high"], claim["p"]) == pytest.approx(
        (by_hand.effect, by_hand.low, by_hand.high, by_hand.p), abs=1e-6
    )
    assert claim["n"] == 4  # both data sets are of one pool
    assert set(results.trials["split_design"]) == {"fixed"}


def _counting(**columns: list[object]) -> Units:
    """Two models on ten seeds of digits, as rows of `trials` with these columns beside."""
    (claim,) = read_text(stated(WINS), Path("grid")).claims
    rows = [
        {
            **dict.fromkeys(("dataset", "model", "optimizer", "regularizer", "deployment"), "x"),
            **{"dataset_config": '{"name": "digits"}', "optimizer_config": "{}", "regularizer_config": "[]"},
            **{
                "protocol_config": "{}",
                "model_config": json.dumps({"name": model}),
                "status": "completed",
                "reason": None,
            },
            **{
                "trial_id": f"{model}{seed}",
                "data_fingerprint": "f",
                "seed": seed,
                "train_size": 1000,
                "test_size": 200,
            },
            **{"split_design": "redrawn", **{name: values[seed] for name, values in columns.items()}},
        }
        for model in ("cnn", "mlp")
        for seed in range(10)
    ]
    values = pd.Series([*AHEAD, *BEHIND], index=[row["trial_id"] for row in rows])
    return units_of(claim, pd.DataFrame(rows), values)


def test_seeds_that_do_not_vary_the_split_share_their_pictures() -> None:
    (drawn,) = _counting().strata
    (held,) = _counting(varied=["init,order"] * 10).strata
    assert isinstance(drawn.design, RedrawnPictures)
    assert isinstance(held.design, FixedPictures)
    assert isinstance(_counting(varied=["split,init"] * 10).strata[0].design, RedrawnPictures)


def test_a_repetition_of_tuning_is_the_unit_where_there_are_several() -> None:
    units = _counting(repetition=[seed % 5 for seed in range(10)], tuning_config=["{}"] * 10)
    (stratum,) = units.strata
    assert stratum.values == pytest.approx([(DIFFERENCES[draw] + DIFFERENCES[draw + 5]) / 2 for draw in range(5)])
    assert (units.pairs, units.seeds, units.repetitions) == (5, 10, 5)
    once = _counting(repetition=[None] * 10, tuning_config=["{}"] * 10)
    assert (once.pairs, once.repetitions) == (10, 1)
