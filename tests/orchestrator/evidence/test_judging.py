"""Verdicts on scores of our choice, each beside what is worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import run
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import Scores, stated, write
from tests.orchestrator.sample import Cell

MLP, CNN, RESNET, LSTM = (Cell(model=model) for model in ("mlp", "cnn", "resnet", "lstm"))
WAVE = [0.01 * (seed % 5) for seed in range(10)]
"""What the seeds alone make of a score."""
LOW, HIGH = [0.80 + wave for wave in WAVE], [0.85 + wave + 0.001 * (seed % 3) for seed, wave in enumerate(WAVE)]
CNN_WINS = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"


@pytest.fixture
def judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def judge(scores: Scores, *claims: str, skipped: dict[Cell, str] | None = None) -> list[dict[str, Any]]:
        root = write(tmp_path / "demo", scores, *claims, skipped=skipped).root
        capsys.readouterr()
        assert run(["claims", str(root), "--json"]) == 0
        return json.loads(capsys.readouterr().out)["claims"]

    return judge


def test_a_difference_is_supported_contradicted_or_open(judged) -> None:
    up, down, margin = judged(
        {MLP: LOW, CNN: HIGH},
        CNN_WINS,
        "better: {model: mlp}, than: {model: cnn}, on: test_accuracy",
        f"{CNN_WINS}, margin: 0.051",
    )
    assert [claim["verdict"] for claim in (up, down, margin)] == ["supported", "contradicted", "inconclusive"]
    assert up["effect"] == pytest.approx(0.05 + 0.009 / 10)
    assert down["effect"] == pytest.approx(-up["effect"])
    assert up["p"] == pytest.approx(2 / 2**10)  # all ten signs are alike
    assert up["p_corrected"] == pytest.approx(3 * 2 / 2**10)
    assert up["low"] <= up["effect"] <= up["high"]
    assert (up["n"], up["seeds"], up["left_out"], up["post_hoc"]) == (10, 10, 0, False)
    assert [arm["mean"] for arm in up["arms"]] == pytest.approx([sum(HIGH) / 10, sum(LOW) / 10])
    assert "seeds" in margin["decide"]


def test_a_lower_loss_is_better_and_higher_says_which_way_where_neither_is(judged) -> None:
    scores = {MLP: LOW, CNN: HIGH}
    loss, sizes, higher = judged(
        scores,
        "better: {model: cnn}, than: {model: mlp}, on: test_cross_entropy",
        "lower: {model: cnn}, than: {model: mlp}, on: train_loss",
        "higher: {model: cnn}, than: {model: mlp}, on: train_loss",
    )
    assert [claim["verdict"] for claim in (loss, sizes, higher)] == ["supported", "supported", "contradicted"]
    assert loss["effect"] == pytest.approx(0.0509)


def test_other_axes_pair_and_one_seed_of_a_data_set_is_one_observation(judged) -> None:
    """Two optimizers of one seed share their images; seeds of two data sets do not."""
    adam = "adam lr=0.003"
    scores: Scores = {
        Cell(model=model, optimizer=optimizer): [base + 0.1 * (optimizer == adam) * (model == "cnn") for base in LOW]
        for model in ("mlp", "cnn")
        for optimizer in ("sgd lr=0.1", adam)
    }
    whole, part, labelled = judged(
        scores,
        CNN_WINS,
        f"{CNN_WINS}, where: {{optimizer: adam}}",
        f"{CNN_WINS}, where: {{optimizer: {{name: sgd, lr: 1e-1}}}}",
    )
    assert (whole["n"], whole["effect"]) == (10, pytest.approx(0.05))
    assert (part["n"], part["effect"]) == (10, pytest.approx(0.1))
    assert (labelled["n"], labelled["effect"], labelled["verdict"]) == (10, 0, "inconclusive")


def test_an_arm_of_several_levels_counts_by_its_mean_and_only_where_all_are_there(judged) -> None:
    half: list[float | str | None] = [0.7] * 5 + [None] * 5
    (claim,) = judged(
        {CNN: [0.9] * 10, MLP: [0.8] * 10, RESNET: half},
        "better: {model: cnn}, than: {model: [mlp, resnet]}, on: test_accuracy",
    )
    assert (claim["n"], claim["left_out"]) == (5, 5)
    assert claim["effect"] == pytest.approx(0.9 - 0.75)
    assert claim["notes"] == ["5 of 10 pairs left out (5 pending)"]
    assert "5 trials of it have still to run" in claim["decide"]


def test_an_interaction_is_a_difference_of_differences(judged) -> None:
    mnist = {model: Cell(dataset="mnist", model=model) for model in ("mlp", "cnn")}
    claim, reverse = judged(
        {MLP: LOW, CNN: HIGH, mnist["mlp"]: LOW, mnist["cnn"]: LOW},
        f"{CNN_WINS}, more_where: {{dataset: digits}}, less_where: {{dataset: mnist}}",
        f"{CNN_WINS}, more_where: {{dataset: mnist}}, less_where: {{dataset: digits}}",
    )
    assert claim["effect"] == pytest.approx(0.0509)
    assert [claim["kind"], claim["verdict"], reverse["verdict"]] == ["interaction", "supported", "contradicted"]
    assert claim["n"] == 10


def test_a_trend_is_the_change_along_the_least_squares_line(judged) -> None:
    scores = {
        LSTM: [0.5 + wave for wave in WAVE],
        MLP: [0.8 + wave for wave in WAVE],
        CNN: [0.7 + wave for wave in WAVE],
    }
    rises, falls, differs = judged(
        scores,
        "over: {model: [lstm, mlp, cnn]}, on: test_accuracy",
        "over: {model: [cnn, mlp, lstm]}, on: test_accuracy, trend: falls",
        "over: {model: [lstm, cnn]}, on: test_accuracy, trend: falls",
    )
    assert rises["effect"] == falls["effect"] == pytest.approx(0.2)  # -1/2, 0, 1/2 of each, times two steps
    assert [claim["verdict"] for claim in (rises, falls, differs)] == ["supported", "supported", "contradicted"]


def test_gap_and_non_inferiority(judged) -> None:
    near = [score - 0.002 - 0.0002 * (seed % 2) for seed, score in enumerate(LOW)]
    gap, close, too_close = judged(
        {MLP: LOW, CNN: near},
        "better: {model: cnn}, than: {model: mlp}, on: f1_macro_gap",
        "not_worse: {model: cnn}, than: {model: mlp}, on: test_accuracy, margin: 0.01",
        "not_worse: {model: cnn}, than: {model: mlp}, on: test_accuracy, margin: 0.001",
    )
    assert (gap["kind"], gap["effect"]) == ("gap", pytest.approx(0))
    assert (close["kind"], close["bound"], close["verdict"]) == ("non-inferiority", -0.01, "supported")
    assert too_close["verdict"] == "contradicted"


def test_a_target_that_is_never_reached_is_reached_last(judged) -> None:
    """Validation accuracy is 0.2 and 0.1 below the end, and the end: 0.9 gets to 0.8 in its second epoch."""
    times, equal = judged(
        {CNN: [0.9] * 10, MLP: [0.9] * 5 + [0.7] * 5},
        "better: {model: cnn}, than: {model: mlp}, on: {reach: 0.8, clock: epochs}",
        "better: {model: cnn}, than: {model: mlp}, on: {reach: 0.99}",
    )
    assert times["effect"] == pytest.approx(0.5)  # half of the pairs are equal
    assert times["arms"][0]["mean"] == 2
    assert (equal["effect"], equal["verdict"]) == (0, "inconclusive")


def test_the_interval_of_a_share_of_pairs_ends_where_there_are_no_more(judged) -> None:
    (nearly_all,) = judged(
        {CNN: [0.9] * 10, MLP: [0.7] * 9 + [0.9]},
        "better: {model: cnn}, than: {model: mlp}, on: {reach: 0.8, clock: epochs}",
    )
    assert nearly_all["effect"] == pytest.approx(0.9)
    assert 0 < nearly_all["low"] < 0.9
    assert nearly_all["high"] == 1  # Student's other end is at 1.13


def test_what_is_exactly_at_the_bound_is_no_effect(judged) -> None:
    """0.93 - 0.92 - 0.01 is not zero in floating point."""
    beyond, not_worse = judged(
        {CNN: [0.93] * 10, MLP: [0.92] * 10},
        f"{CNN_WINS}, margin: 0.01",
        "not_worse: {model: mlp}, than: {model: cnn}, on: test_accuracy, margin: 0.01",
    )
    assert [(claim["verdict"], claim["p"]) for claim in (beyond, not_worse)] == [("inconclusive", 1.0)] * 2
    assert beyond["effect"] == pytest.approx(0.01)


def test_nothing_is_decided_while_trials_have_still_to_run(judged) -> None:
    (interim,) = judged({CNN: HIGH, MLP: [*LOW[:9], None]}, CNN_WINS)
    assert (interim["verdict"], interim["n"]) == ("inconclusive", 9)
    assert interim["p_corrected"] == pytest.approx(2 / 2**9)
    assert "1 trial of it has still to run" in interim["decide"]


def test_what_diverges_on_the_favoured_side_is_not_dropped_in_silence(judged) -> None:
    scores: Scores = {MLP: LOW, CNN: [*HIGH[:9], "diverged"]}
    favoured, mirrored, share = judged(
        scores,
        CNN_WINS,
        "better: {model: mlp}, than: {model: cnn}, on: test_accuracy",
        "better: {model: mlp}, than: {model: cnn}, on: diverged",
    )
    assert favoured["verdict"] == "inconclusive"
    assert "1 of 10 pairs left out (1 diverged)" in favoured["notes"]
    message = "but 1 broke on the side that they favour"
    assert f"the remaining pairs show what is claimed, {message}" in favoured["notes"]
    assert mirrored["verdict"] == "inconclusive"
    assert f"the remaining pairs show the opposite, {message}" in mirrored["notes"]
    assert "no seeds" in favoured["decide"] and "`diverged`" in mirrored["decide"]
    assert share["effect"] == pytest.approx(0.1)


def test_what_breaks_on_the_side_that_is_behind_anyway_changes_no_verdict(judged) -> None:
    scores: Scores = {MLP: [*LOW[:9], "diverged"], CNN: HIGH}
    supported, contradicted = judged(scores, CNN_WINS, "better: {model: mlp}, than: {model: cnn}, on: test_accuracy")
    assert (supported["verdict"], contradicted["verdict"]) == ("supported", "contradicted")
    assert supported["n"] == 9


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({MLP: [0.8], CNN: [0.9]}, "one seed says nothing about the spread between seeds: `orch sweep GRID --seeds "),
        ({MLP: [0.8, "failed"], CNN: ["failed", 0.9]}, "never completed together: cnn (1 "),
        ({MLP: [0.8, 0.9], CNN: [None, None]}, "2 trials of it have still to run: `orch sweep GRID` goes on"),
        ({MLP: [0.8, 0.9]}, "no trial of cnn is in these results: `orch sweep GRID` runs what is missing"),
    ],
)
def test_what_is_missing_is_said_with_what_to_run(judged, scores: Scores, says: str) -> None:
    (claim,) = judged(scores, CNN_WINS)
    assert claim["verdict"] == "inconclusive"
    assert says in claim["decide"]


def test_a_skipped_arm_and_a_measure_that_the_data_lack(judged) -> None:
    skipped, lacking = judged(
        {MLP: LOW, CNN: HIGH},
        "better: {model: lstm}, than: {model: mlp}, on: test_accuracy",
        "better: {model: cnn}, than: {model: mlp}, on: test_mse",
        skipped={LSTM: "lstm reads grey images"},
    )
    assert skipped["decide"] == "every trial of lstm is skipped (lstm reads grey images)"
    assert "no trial has a value of test_mse" in lacking["decide"]


def test_the_text_says_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}, CNN_WINS).root
    assert run(["claims", str(root)]) == 0
    text = capsys.readouterr().out
    assert "H1  supported: as said" in text
    assert "difference 0.0509 [" in text
    assert "p = 0.001953 after Holm, n = 10 (10 seeds)" in text
    assert "demo, 1 claim: 1 supported" in text


def test_a_grid_without_claims_and_a_directory_without_a_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(tmp_path / "demo", {MLP: LOW}).root
    (tmp_path / "plain.yaml").write_text(stated().removesuffix("claims:\n"))
    assert run(["claims", str(root), "--grid", str(tmp_path / "plain.yaml")]) == 0
    assert "makes no claims" in capsys.readouterr().out
    assert run(["claims", str(tmp_path / "nowhere")]) == 2


def test_a_claim_that_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}, CNN_WINS).root
    grid = tmp_path / "grid.yaml"
    grid.write_text(stated("better: {model: cnn}, than: {model: mlpp}, on: test_accuracy"))
    assert run(["claims", str(root), "--grid", str(grid)]) == 2
    assert f"{grid}:8:" in capsys.readouterr().err


def test_damaged_tables_show_what_the_journal_has_and_end_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write(
        tmp_path / "demo", {MLP: LOW, CNN: HIGH}, CNN_WINS, "lower: {model: cnn}, than: {model: mlp}, on: train_loss"
    )
    _flip_a_bit(paths, "trials")
    assert run(["claims", str(paths.root)]) == 4
    output, errors = capsys.readouterr()
    assert output.count("  supported: ") == 2
    assert "orch repair" in errors
    paths.journal.unlink()
    _flip_a_bit(paths, "trials")  # whole again
    _flip_a_bit(paths, "epochs")
    assert run(["claims", str(paths.root)]) == 4
    output, errors = capsys.readouterr()
    assert "H1  supported" in output
    assert "H2  inconclusive" in output
    assert "epochs.parquet is damaged" in errors


def _flip_a_bit(paths: ResultsPaths, table: str) -> None:
    content = bytearray(paths.table(table).read_bytes())
    content[len(content) // 2] ^= 1
    paths.table(table).write_bytes(content)
