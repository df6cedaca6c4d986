"""The live display of a sweep on 80 columns: what varies, the score first, and nothing that goes beyond the screen."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.cli.terminal.display import PlainProgress, _drawing
from orchestrator.plan.progress import Running, SilentProgress, Snapshot
from orchestrator.sweep.run import SweepRequest, run_sweep

LONG = "pretrained:efficientnet(depth=3,width=64,frozen=true,weights=elpv/weights.safetensors) seed 3"


def drawn(snapshot: Snapshot, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, height=24).print(_drawing(snapshot))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def snapshot(*running: Running, best: str | None = None, **counts: int) -> Snapshot:
    return Snapshot(counts, sum(counts.values()), 12.0, 60.0, running, best)


def test_a_line_says_what_each_slot_does_the_score_before_the_name() -> None:
    running = [Running("a" * 16, LONG, 3, 10, 0.91234), Running("b" * 16, "mlp seed 0", 0, 10)]
    lines = drawn(snapshot(*running, completed=1, running=2, pending=5))
    assert all(len(line) <= 80 for line in lines)
    first, second = (line for line in lines if "seed" in line or "pretrained" in line)
    assert first.split()[:3] == ["epoch", "3/10", "0.9123"]
    assert first.split()[3].startswith("pretrained:efficientnet(depth=3")
    assert second.split() == ["preparing", "mlp", "seed", "0"]


def test_the_best_begins_with_its_score() -> None:
    lines = drawn(snapshot(best=f"validation accuracy 0.9750: {LONG}; validation MSE 0.1: mlp", completed=2, pending=1))
    assert [line[:33] for line in lines if line.startswith("best")] == [
        "best: validation accuracy 0.9750:",
        "best: validation MSE 0.1: mlp",
    ]
    assert all(len(line) <= 80 for line in lines)


def test_before_the_first_trial_it_says_so() -> None:
    assert any("no trial has begun yet: slots are starting" in line for line in drawn(snapshot(pending=4)))
    assert not any("no trial has begun" in line for line in drawn(snapshot(completed=1, pending=3)))


def test_many_slots_keep_within_24_lines() -> None:
    running = [Running(f"{number:016x}", f"mlp seed {number}", 1, 2, 0.5) for number in range(64)]
    lines = drawn(snapshot(*running, best="x 0.5: y", running=64, pending=100))
    assert len(lines) <= 14 and "  and 56 more" in lines


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("completed", "[3/4, about 1 min 0 s left] completed: accuracy 0.9: mlp seed 0"),
        ("failed", "failed: mlp seed 0: accuracy 0.9"),
    ],
)
def test_a_plain_line_has_the_score_first_and_a_failure_its_trial(status: str, line: str) -> None:
    file = io.StringIO()
    PlainProgress(Console(file=file, width=200)).finished(
        "mlp seed 0", status, "accuracy 0.9", snapshot(completed=3, pending=1)
    )
    assert line in file.getvalue()


GRID = """\
name: seen
axes:
  dataset: digits
  model: [{name: mlp, hidden: [4]}%s]
  optimizer: [sgd, adam]
seeds: 1
protocol: {epochs: 2}
wandb: {mode: disabled}
"""


class Noted(SilentProgress):
    def __init__(self) -> None:
        self.labels: list[str] = []
        self.scores: list[float | None] = []

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        self.labels.append(label)

    def update(self, snapshot: Snapshot) -> None:
        self.scores += [trial.score for trial in snapshot.running if trial.epoch]


@pytest.mark.parametrize(
    ("more", "labels"),
    [
        ("", ["adam seed 0", "sgd seed 0"]),
        (", lstm", ["lstm adam seed 0", "lstm sgd seed 0", "mlp(hidden=4) adam seed 0", "mlp(hidden=4) sgd seed 0"]),
    ],
)
def test_a_sweep_names_what_varies_alone(
    more: str, labels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.sweep.loop.DISPLAY_PERIOD", 0.0)
    (tmp_path / "grid.yaml").write_text(GRID % more)
    noted = Noted()
    run_sweep(SweepRequest(grid=tmp_path / "grid.yaml", engine="inline"), noted)
    assert sorted(noted.labels) == labels
    assert all(score is not None and 0 <= score <= 1 for score in noted.scores)
