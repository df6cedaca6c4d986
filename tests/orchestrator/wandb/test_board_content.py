from pathlib import Path

from orchestrator.wandb.board_content import read_content
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import CNN_SGD as CNN
from tests.orchestrator.sample import MLP_SGD as MLP

HIGH, LOW = [0.90 + 0.001 * (seed % 3) for seed in range(8)], [0.85 + 0.001 * (seed % 2) for seed in range(8)]


def test_the_claims_stand_before_the_leaderboard_with_their_verdicts(tmp_path: Path):
    claim = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
    (title, text), (leaderboard, _), *_ = read_content(write(tmp_path / "demo", {MLP: LOW, CNN: HIGH}, claim)).tables
    assert (title, leaderboard) == ("Claims", "Leaderboard of digits")
    message, _, heads, _, row = text.splitlines()
    assert message == "1 claim: 1 supported."
    assert heads.startswith("| claim | verdict | what it says |")
    assert row.startswith("| H1 | supported | ")
    assert "n = 8 (8 seeds)" in row


def test_a_sweep_without_claims_says_nothing_of_them(tmp_path: Path):
    titles = [title for title, _ in read_content(write(tmp_path / "demo", {MLP: LOW, CNN: HIGH})).tables]
    assert titles[0] == "Leaderboard of digits"
    assert "Claims" not in titles
