"""The report as text."""

from pathlib import Path

from orchestrator.cli import run
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell, write_sample

WAVE = [0.01 * (seed % 5) for seed in range(10)]


def test_it_says_what_came_first_and_what_broke(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    assert run(["report", str(paths.root), "--format", "md"]) == 0
    text = (paths.root / "report.md").read_text(encoding="utf-8")
    assert "- digits: **mlp · adam lr=0.003 · none**, 0.9600, mean test accuracy over 2 seeds" in text
    assert "| 4 | 0.6617 | cnn | sgd lr=0.1 | 1 | 1 completed, 1 diverged |" in text
    assert "2 cells have trials that broke (1 diverged, 1 failed, 1 out of memory)" in text


def test_names_stay_text_and_claims_are_reported(tmp_path: Path):
    evil, cnn = Cell(model="<script>|`alert`"), Cell(model="cnn")
    claim = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
    paths = write(tmp_path / "demo", {evil: [0.8 + w for w in WAVE], cnn: [0.9 + w for w in WAVE]}, claim)
    assert run(["report", str(paths.root), "--format", "md", "--output", str(tmp_path / "it.md")]) == 0
    text = (tmp_path / "it.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert " | \\<script\\>\\|\\`alert\\` | 10 |" in text
    assert "- **H1 inconclusive**: as said" in text
