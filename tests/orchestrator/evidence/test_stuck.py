"""A claim on scores is about runs that train; whether they do is a claim of its own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import run
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell
from trainables.records import TrialResult

MLP, CNN = Cell(model="mlp"), Cell(model="cnn")
LOW = [0.80 + 0.01 * (seed % 5) for seed in range(10)]
HIGH = [0.85 + 0.01 * (seed % 5) + 0.001 * (seed % 3) for seed in range(10)]
CHANCE = 0.1
CLAIMS = [
    f"better: {{model: cnn}}, than: {{model: mlp}}, on: {on}" for on in ("test_accuracy", "stuck", "train_seconds")
]


def told(ended: TrialResult) -> TrialResult:
    assert ended.test is not None
    return replace(ended, stuck=ended.test.accuracy == CHANCE)  # type: ignore[attr-defined]


def judged(root: Path, capsys: pytest.CaptureFixture[str], low: list[float], high: list[float]) -> list[dict[str, Any]]:
    write(root, {MLP: low, CNN: high}, *CLAIMS, changes={MLP: told, CNN: told})
    capsys.readouterr()
    assert run(["claims", str(root), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["claims"]


def test_a_run_that_is_stuck_is_left_out_of_scores_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy, stuck, seconds = judged(tmp_path, capsys, [*LOW[:9], CHANCE], HIGH)
    assert (accuracy["verdict"], accuracy["n"], accuracy["left_out"]) == ("supported", 9, 1)
    assert accuracy["effect"] == pytest.approx(sum(HIGH[:9]) / 9 - sum(LOW[:9]) / 9)
    assert (stuck["n"], stuck["effect"]) == (10, pytest.approx(0.1))
    assert seconds["n"] == 10


def test_where_the_favoured_side_is_stuck_nothing_is_decided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracy, _, _ = judged(tmp_path, capsys, LOW, [*HIGH[:9], CHANCE])
    assert accuracy["verdict"] == "inconclusive"
    assert "`stuck`" in accuracy["decide"]


def test_a_cell_that_is_stuck_in_most_of_its_runs_has_these_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracy, stuck, _ = judged(tmp_path, capsys, [LOW[0], *[CHANCE] * 9], HIGH)
    assert (accuracy["n"], stuck["effect"]) == (10, pytest.approx(0.9))
    assert accuracy["effect"] > 0.6
