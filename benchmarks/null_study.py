"""How often claims are decided where nothing differs, and how often where something does: sweeps of made-up scores.

    python benchmarks/null_study.py [--sweeps 200] [--seed 0] [--json]

Each sweep is a grid of two data sets, four models, two optimizers and ten seeds, with six claims of every kind that compares
scores. All trials of a seed share its split, so their scores move together. Without an effect, a sweep counts that gives any
verdict but `inconclusive`. With one, a single claim (a grid of its own) is about a difference of `EFFECT` times the
spread of the paired differences. The shares come with their 95 % intervals (Clopper and Pearson 1934).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.table import markdown
from orchestrator.evidence.finding import Evidence
from orchestrator.evidence.judge import measured
from orchestrator.evidence.pairing import units_of
from orchestrator.evidence.verdict import Verdict, verdicts
from orchestrator.grid.reader import read_text
from orchestrator.grid.spec import GridSpec

SEEDS: Final = 10
EFFECT: Final = 1.5
"""Of the spread of the paired differences."""
NOISE: Final = 0.01
"""Standard deviation of a trial's accuracy about what its cell and its seed give."""
SPLIT: Final = 0.02
"""The same of what a seed's split adds to all trials of a data set."""

GRID: Final = """\
name: study
axes:
  dataset: [digits, mnist]
  model: [mlp, cnn, resnet, lstm]
  optimizer: [{name: sgd, lr: 0.1}, {name: adam, lr: 0.003}]
seeds: 10
claims:
"""
SIX: Final = (
    "better: {model: cnn}, than: {model: lstm}, on: test_accuracy",
    "better: {model: resnet}, than: {model: [mlp, lstm]}, on: test_accuracy",
    "better: {optimizer: adam}, than: {optimizer: sgd}, on: test_accuracy",
    "better: {model: cnn}, than: {model: mlp}, on: test_accuracy,"
    " more_where: {dataset: digits}, less_where: {dataset: mnist}",
    "better: {optimizer: adam}, than: {optimizer: sgd}, on: accuracy_gap",
    "better: {model: cnn}, than: {model: mlp}, on: test_accuracy, where: {dataset: digits}",
)
ONE: Final = (
    "better: {model: cnn}, than: {model: lstm}, on: test_accuracy, where: {dataset: digits, optimizer: adam}",
)


@dataclass(frozen=True)
class Share:
    """So many sweeps of so many."""

    what: str
    found: int
    sweeps: int

    @property
    def interval(self) -> tuple[float, float]:
        exact = binomtest(self.found, self.sweeps).proportion_ci(0.95, method="exact")
        return float(exact.low), float(exact.high)


def study(sweeps: int, seed: int) -> list[Share]:
    """Without an effect, then with one."""
    random = np.random.default_rng(seed)
    six, one = _grid(SIX), _grid(ONE)
    false = sum(
        any(verdict.outcome != "inconclusive" for verdict in _judged(six, scores(random))) for _ in range(sweeps)
    )
    effect = EFFECT * NOISE * np.sqrt(2)  # of the difference of two trials, whose split is the same
    found = [_judged(one, scores(random, effect))[0].outcome for _ in range(sweeps)]
    return [
        Share("no effect, six claims: any verdict", false, sweeps),
        Share(f"effect of {EFFECT} spreads, one claim: supported", found.count("supported"), sweeps),
        Share(f"effect of {EFFECT} spreads, one claim: contradicted", found.count("contradicted"), sweeps),
    ]


def scores(random: np.random.Generator, effect: float = 0.0) -> pd.DataFrame:
    """A `trials` table of one sweep. effect: added to the accuracies of `cnn`."""
    levels = product(
        ("digits", "mnist"),
        ("mlp", "cnn", "resnet", "lstm"),
        ({"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.003}),
        range(SEEDS),
    )
    splits = {(dataset, seed): random.normal(0, SPLIT) for dataset in ("digits", "mnist") for seed in range(SEEDS)}
    rows = []
    for number, (dataset, model, optimizer, seed) in enumerate(levels):
        accuracy = 0.9 + splits[dataset, seed] + random.normal(0, NOISE) + effect * (model == "cnn")
        rows.append(
            {
                "trial_id": f"{number:016x}",
                "seed": seed,
                "status": "completed",
                "reason": None,
                "data_fingerprint": dataset,
                "dataset": dataset,
                "model": model,
                "optimizer": optimizer["name"],
                "regularizer": "none",
                "dataset_config": json.dumps({"name": dataset}),
                "model_config": json.dumps({"name": model}),
                "optimizer_config": json.dumps(optimizer),
                "regularizer_config": json.dumps([{"name": "none"}]),
                "protocol_config": "{}",
                "split_design": "redrawn",
                "train_size": 1437,
                "val_size": 180,
                "test_size": 180,
                "test_accuracy": accuracy,
                "train_accuracy": accuracy + random.normal(0.05, NOISE),
            }
        )
    return pd.DataFrame(rows)


def _grid(claims: Sequence[str]) -> GridSpec:
    text = GRID + "".join(f"  - {{id: H{number}, text: made up, {claim}}}\n" for number, claim in enumerate(claims))
    return read_text(text, Path("study.yaml"))


def _judged(grid: GridSpec, trials: pd.DataFrame) -> tuple[Verdict, ...]:

    evidence = [
        Evidence(
            units_of(claim, trials, measured(claim.on, trials, pd.DataFrame())),
            post_hoc=False,
            looks=0,
            cells=frozenset(),
        )
        for claim in grid.claims
    ]
    return verdicts(grid.claims, evidence)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shares = study(options.sweeps, options.seed)
    if options.json:
        print(json.dumps([{"what": share.what, "found": share.found, "sweeps": share.sweeps} for share in shares]))
        return
    rows = [
        (
            share.what,
            share.found,
            share.sweeps,
            f"{share.found / share.sweeps:.1%}",
            "{:.1%} to {:.1%}".format(*share.interval),
        )
        for share in shares
    ]
    print(markdown(("simulated", "found", "of", "share", "95 % interval"), rows))


if __name__ == "__main__":
    main()
