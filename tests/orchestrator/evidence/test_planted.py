"""Grids with a planted confounder are swept for real, and `orch claims` names it; without it, it does not."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import run

GRID = """\
name: planted
axes:
  dataset: {dataset}
  model: {model}
  optimizer: {optimizer}
  regularizer: {regularizer}
seeds: 3
protocol: {{epochs: 2, batch_size: 32}}
wandb: {{mode: disabled}}
{rest}
claims:
  - {{id: P, text: one arm is better, {claim}, on: test_accuracy, fair: {{{fair}}}}}
"""
PLAIN = {
    "dataset": "{name: digits, per_class: 10}",
    "model": "{name: mlp, hidden: [16]}",
    "optimizer": "{name: adam, lr: 0.01}",
    "regularizer": "none",
    "rest": "",
}
RATES = "[{name: sgd, lr: 0.1}, {name: sgd, lr: 0.2}]"
OF_RATES = 'better: {optimizer: "sgd(lr=0.2)"}, than: {optimizer: "sgd(lr=0.1)"}'
SLOWER = "{optimizer: {name: sgd, lr: 0.1}}"


@dataclass(frozen=True)
class Planted:
    """What a grid has in place of `PLAIN`, with the confounder and without it."""

    fair: str
    title: str
    says: str
    """What is said of the arms."""
    claim: str
    confounded: dict[str, str]
    alike: dict[str, str]


PARAMETERS = Planted(
    fair="parameters: 1.2",
    title="parameters",
    says="mlp 4,810, cnn 650 (7.4 times)",
    claim="better: {model: mlp}, than: {model: cnn}",
    confounded={"model": "[{name: mlp, hidden: [64]}, {name: cnn, channels: [4], hidden: [8]}]"},
    alike={"model": "[{name: mlp, hidden: [8]}, {name: cnn, channels: [4], hidden: [8]}]"},
)
# one arm has three rates to choose from and the other, of three momenta too, nine; alone, each has nine
UNTUNED = Planted(
    fair="tuning: equal",
    title="tuning",
    says="sgd grid search, 9 trials of each cell, adam grid search, 3 trials of each cell",
    claim="better: {optimizer: sgd}, than: {optimizer: adam}",
    confounded={
        "optimizer": "[sgd, adam]",
        "rest": "tuning: {trials: 9, search: grid, space: {optimizer.lr: [0.001, 0.01, 0.1],"
        " optimizer.momentum: [0, 0.5, 0.9]}}",
    },
    alike={
        "optimizer": "[sgd, adam]",
        "rest": "tuning: {trials: 3, search: grid, space: {optimizer.lr: [0.001, 0.01, 0.1]}}",
    },
)
CUT_OFF = Planted(
    fair="converged: true",
    title="cut-off training",
    says="sgd(lr=0.2) best epoch is the last in 0 %, sgd(lr=0.1) best epoch is the last in 100 %",
    claim=OF_RATES,
    confounded={
        "optimizer": RATES,
        "rest": f"overrides: [{{when: {SLOWER}, set: {{protocol.epochs: 1}}}},"
        " {when: {optimizer: {name: sgd, lr: 0.2}}, set: {protocol.epochs: 60}}]",
    },
    alike={"optimizer": RATES, "rest": "overrides: [{when: {optimizer: sgd}, set: {protocol.epochs: 60}}]"},
)
PRIOR = Planted(
    fair="test_prior: equal",
    title="test prior",
    says="digits(imbalance=1.0) 10 % to 10 % a class, digits(imbalance=0.1) 2 % to 25 % a class",
    claim="better: {dataset: {name: digits, imbalance: 1.0}}, than: {dataset: {name: digits, imbalance: 0.1}}",
    confounded={
        "dataset": "[{name: digits, per_class: 10}, {name: digits, per_class: 10, imbalance: 0.1,"
        " skew: [train, validation, test]}]"
    },
    alike={"dataset": "[{name: digits, per_class: 10}, {name: digits, per_class: 10, imbalance: 0.1}]"},
)
STEPS = Planted(
    fair="steps: equal",
    title="optimizer steps",
    says="sgd(lr=0.2) 8, sgd(lr=0.1) 4 (2 times)",
    claim=OF_RATES,
    confounded={"optimizer": RATES, "rest": f"overrides: [{{when: {SLOWER}, set: {{protocol.epochs: 1}}}}]"},
    alike={"optimizer": RATES},
)


def written(folder: Path, planted: Planted, having: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    grid = folder / "grid.yaml"
    grid.write_text(GRID.format(**{**PLAIN, **having}, claim=planted.claim, fair=planted.fair))
    return grid


def judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str], dict[str, str]]:
    """Verdict, what confounds it, and what is told of each thing that differs."""
    capsys.readouterr()
    assert run(["claims", str(folder / "results"), "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    told: dict[str, Any] = {one["what"]: one["text"] for one in claim["differs"]}
    return claim["verdict"], claim["confounded_by"], told


def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], planted: Planted) -> None:
    """Judge what `confounded` and `alike` in this folder have come to."""
    fact = planted.fair.partition(":")[0]
    verdict, by, told = judged(tmp_path / "confounded", capsys)
    assert (verdict, by) == ("confounded", [planted.title])
    assert told[fact].startswith(f"{planted.title}: {planted.says}")
    verdict, by, told = judged(tmp_path / "alike", capsys)
    assert verdict != "confounded"
    assert (by, fact in told) == ([], fact == "parameters")


@pytest.mark.parametrize("planted", [PARAMETERS, UNTUNED, CUT_OFF, PRIOR, STEPS], ids=lambda planted: planted.title)
def test_it_is_named(planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, having in (("confounded", planted.confounded), ("alike", planted.alike)):
        grid = written(tmp_path / name, planted, having)
        assert run(["sweep", str(grid), "--engine", "inline", "-q", "--results", str(grid.parent / "results")]) == 0
    check(tmp_path, capsys, planted)


def test_an_arm_without_anything_to_tune_is_named_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = {"rest": "tuning: {trials: 3, space: {optimizer.momentum: [0, 0.5, 0.9]}}", "optimizer": "[sgd, adam]"}
    grid = written(tmp_path / "untuned", UNTUNED, space)
    assert run(["sweep", str(grid), "--engine", "inline", "-q", "--results", str(tmp_path / "results")]) == 0
    capsys.readouterr()
    assert run(["claims", str(tmp_path / "results"), "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    why = "tuning.space names no parameter of this cell, which would be compared untuned with tuned ones"
    assert (claim["verdict"], claim["decide"]) == ("inconclusive", f"every trial of adam is skipped ({why})")
