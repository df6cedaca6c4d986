"""How often claims are decided where nothing differs, and how often where something does: sweeps of made-up scores.

    python benchmarks/null_study.py [--sweeps 200] [--seed 0] [--json] [--until [--only TEXT]]

Each sweep is a grid of two data sets, four models, two optimizers and ten seeds, with six claims of every kind that compares
scores. All trials of a seed share its split, so their scores move together. Without an effect, a sweep counts that gives any
verdict but `inconclusive`. With one, a single claim (a grid of its own) is about a difference of `EFFECT` times the
spread of the paired differences. The shares come with their 95 % intervals (Clopper and Pearson 1934).

--until: sweeps whose seeds are added until their claims are decided (`until: decided`), by what judges and what adds there,
beside sweeps of the fixed number of seeds that decides as many. --only: the lines that have this text, with the same sweeps.
"""

import argparse
import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.table import markdown
from orchestrator.evidence.judge import evidence_on, measured
from orchestrator.evidence.next_seeds import wanted
from orchestrator.evidence.pairing import Units, units_of
from orchestrator.evidence.post_hoc import ClaimHistory
from orchestrator.evidence.verdict import Verdict, verdicts
from orchestrator.grid.claims import Claim
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
MOST: Final = 40
"""Seeds of a cell at most, where they are added until claims are decided."""
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
    false = sum(_any(_judged(six, scores(random))) for _ in range(sweeps))
    effect = EFFECT * NOISE * np.sqrt(2)  # of the difference of two trials, whose split is the same
    found = [_judged(one, scores(random, effect))[0].outcome for _ in range(sweeps)]
    return [
        Share("no effect, six claims: any verdict", false, sweeps),
        Share(f"effect of {EFFECT} spreads, one claim: supported", found.count("supported"), sweeps),
        Share(f"effect of {EFFECT} spreads, one claim: contradicted", found.count("contradicted"), sweeps),
    ]


SGD: Final = {"name": "sgd", "lr": 0.1}
ADAM: Final = {"name": "adam", "lr": 0.003}


def scores(random: np.random.Generator, effect: float = 0.0, seeds: int = SEEDS, *, pair: bool = False) -> pd.DataFrame:
    """A `trials` table of one sweep. effect: added to the accuracies of `cnn`. pair: of the two cells of `ONE` alone."""
    levels = product(
        ("digits",) if pair else ("digits", "mnist"),
        ("cnn", "lstm") if pair else ("mlp", "cnn", "resnet", "lstm"),
        (ADAM,) if pair else (SGD, ADAM),
        range(seeds),
    )
    splits = {(dataset, seed): random.normal(0, SPLIT) for dataset in ("digits", "mnist") for seed in range(seeds)}
    rows = []
    for number, (dataset, model, optimizer, seed) in enumerate(levels):
        accuracy = 0.9 + splits[dataset, seed] + random.normal(0, NOISE) + effect * (model == "cnn")
        rows.append(
            {
                "trial_id": f"{number:016x}",
                "cell_id": f"{dataset} {model} {optimizer['name']}",
                "environment_id": "0",
                "seed": seed,
                "status": "completed",
                "reason": None,
                "data_fingerprint": dataset,
                "dataset": dataset,
                "model": model,
                "optimizer": optimizer["name"],
                "regularizer": "none",
                "deployment": "none",
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


def _grid(claims: Sequence[str], seeds: str = f"{SEEDS}") -> GridSpec:
    text = GRID.replace("seeds: 10", f"seeds: {seeds}") + "".join(
        f"  - {{id: H{number}, text: made up, {claim}}}\n" for number, claim in enumerate(claims)
    )
    return read_text(text, Path("study.yaml"))


_Known = dict[tuple[str, int], Units]


def _judged(grid: GridSpec, trials: pd.DataFrame, known: _Known | None = None) -> tuple[Verdict, ...]:
    """The verdicts of a results directory with these trials, into which this grid was swept once.

    known: what the first seeds of the same trials gave at looks before, by claim and greatest seed.
    """
    known = {} if known is None else known
    looks = None if grid.looks is None else str(grid.looks)
    sweep = {"environment_id": "0", "started_at": 0, "grid": "", "command": "orch sweep", "looks": looks}
    recorded = ClaimHistory(pd.DataFrame([sweep]))

    def units(claim: Claim, rows: pd.DataFrame) -> Units:
        key = claim.id, int(rows["seed"].max())
        if key not in known:
            known[key] = units_of(claim, rows, measured(claim.on, rows, pd.DataFrame()))
        return known[key]

    evidence = [evidence_on(claim, trials, trials, recorded, partial(units, claim)) for claim in grid.claims]
    return verdicts(grid.claims, evidence)


# Sweeps that go on until their claims are decided.


@dataclass(frozen=True)
class Until:
    """What became of such sweeps."""

    what: str
    sweeps: int
    found: int
    """Those with any verdict."""
    trials: float
    """That a sweep took, on average."""
    most: int
    """That it could have taken."""
    fixed: int | None
    """The number of seeds of sweeps that decide as many, where there is an effect."""
    of_fixed: float | None
    """The share of the trials of those."""


def until_decided(grid: GridSpec, trials: pd.DataFrame, known: _Known) -> tuple[tuple[Verdict, ...], int]:
    """The verdicts in the end, and trials that were run. trials: all that could be, with the seeds 0, 1, ..."""
    seeds = dict.fromkeys(trials["cell_id"].unique(), len(grid.seeds))
    while True:
        run = trials[trials["seed"] < trials["cell_id"].map(seeds)]
        found = _judged(grid, run, known)
        more = {cell: max(had, wanted(found).get(cell, 0)) for cell, had in seeds.items()}
        if more == seeds:
            return found, len(run)
        seeds = more


ONE_NARROW: Final = tuple(f"{claim}, scope: these_pictures" for claim in ONE)
UNTIL: Final = {
    "one claim, 0.5 to 2 spreads": (ONE_NARROW, (0.5, 2.0)),
    "one claim, 0.8 spreads": (ONE_NARROW, (0.8, 0.8)),
    "one claim, no effect": (ONE_NARROW, (0.0, 0.0)),
    "six claims on pictures like these, no effect": (SIX, (0.0, 0.0)),
}
"""Claims, and between which spreads of the paired differences their effects are, each as probable."""


def until_study(what: str, sweeps: int, seed: int) -> Until:
    """One line of `UNTIL`."""
    claims, (least, greatest) = UNTIL[what]
    random = np.random.default_rng([seed, list(UNTIL).index(what)])
    pair = len(claims) == 1
    effects = random.uniform(least, greatest, sweeps) * NOISE * np.sqrt(2)
    tables = [scores(random, effect, MOST, pair=pair) for effect in effects]
    known = [_Known() for _ in tables]
    grid = _grid(claims, f"{{until: decided, most: {MOST}}}")
    ends = [until_decided(grid, table, units) for table, units in zip(tables, known, strict=True)]
    found, trials = sum(_any(judged) for judged, _ in ends), float(np.mean([ran for _, ran in ends]))
    cells = int(tables[0]["cell_id"].nunique())
    fixed = None
    if greatest > 0:
        fixed = bisect_left(range(MOST), found, 6, key=lambda n: _decided(claims, tables, known, n))
    of_fixed = None if fixed is None else trials / (fixed * cells)
    return Until(what, sweeps, found, trials, MOST * cells, fixed, of_fixed)


def _decided(claims: Sequence[str], tables: Sequence[pd.DataFrame], known: Sequence[_Known], seeds: int) -> int:
    """Sweeps with a fixed number of seeds that have any verdict."""
    grid = _grid(claims, str(seeds))
    judged = (_judged(grid, table[table["seed"] < seeds], units) for table, units in zip(tables, known, strict=True))
    return sum(map(_any, judged))


def _any(judged: Sequence[Verdict]) -> bool:
    return any(verdict.outcome != "inconclusive" for verdict in judged)


def _until_table(ends: Sequence[Until]) -> str:
    heads = ("until: decided, most: 40", "sweeps", "any verdict", "95 % interval", "trials", "of at most")
    rows = [
        (
            *(one.what, one.sweeps, f"{one.found / one.sweeps:.1%}"),
            "{:.1%} to {:.1%}".format(*Share(one.what, one.found, one.sweeps).interval),
            *(f"{one.trials:.1f}", one.most),
            *(("–", "–") if one.of_fixed is None else (one.fixed, f"{one.of_fixed:.0%}")),
        )
        for one in ends
    ]
    return markdown((*heads, "fixed n of that power", "of its trials"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--until", action="store_true")
    parser.add_argument("--only", default="", metavar="TEXT")
    options = parser.parse_args()
    if options.until:
        ends = [until_study(what, options.sweeps, options.seed) for what in UNTIL if options.only in what]
        print(json.dumps([asdict(one) for one in ends]) if options.json else _until_table(ends))
        return
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
