"""Whether verdicts and intervals hold: shares of made-up studies, by the functions that give them.

    python benchmarks/evidence_study.py [--studies 2000] [--seed 0] [--only level power coverage looks]

`level`: worlds (`null_worlds.py`) in which nothing differs, by 6, 10, 20 and 30 seeds: the share with any verdict. `power`:
an effect of 1.5 spreads of paired differences at 10 seeds. `coverage`: of the intervals that are shown. `looks`: studies
that stop when they are decided, beside studies of a fixed number of seeds. `null_study.py` has whole sweeps, also such.
"""

import argparse
from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks import null_worlds as worlds
from benchmarks.table import markdown
from orchestrator.evidence.stats.effects import effects
from orchestrator.evidence.stats.leaderboard import mean_interval
from orchestrator.evidence.stats.paired import holm
from orchestrator.evidence.stats.scope import scoped_test
from orchestrator.evidence.stats.sequential import bounds
from orchestrator.grid.claims import ALPHA
from orchestrator.grid.looks import LookPlan

SEEDS: Final = (6, 10, 20, 30)
MOST: Final = 40
"""Seeds of a study that may stop before."""

NULL: Final[dict[str, worlds.World]] = {
    "splits redrawn by seed, a fifth to test on": worlds.redrawn,
    "ten folds, more rounds beyond ten seeds": worlds.folds,
    "official test set of 200, few training pictures redrawn": worlds.official,
    "the same without predictions": worlds.unseen,
    "cell x data-set term, of these three data sets": worlds.of_each_set,
    "skewed: exponential": worlds.exponential,
    "skewed: log-normal": worlds.log_normal,
    "skewed: log-normal, the other way": worlds.log_normal_below,
    "one arm stuck in 10 % of its runs": worlds.stuck,
    "the worst 10 % of one arm's runs fail": worlds.failing,
    "eight claims, one of every kind": worlds.every_kind,
}
WIDER: Final[dict[str, worlds.World]] = {
    "three data sets drawn from all (a wider claim, for comparison)": worlds.of_drawn_sets
}
POWER: Final[dict[str, worlds.World]] = {
    "no pictures (training, time)": worlds.normal,
    "ten folds": worlds.normal_folds,
    "official test set, pictures bring as much as ten seeds": worlds.crossed,
    "official test set of 200, few training pictures": worlds.official,
    "splits redrawn, a tenth to test on": worlds.a_tenth_drawn_anew,
    "splits redrawn, a fifth to test on": worlds.drawn_anew,
}


def any_verdict(posed: list[worlds.Posed]) -> list[bool]:
    """Which claims of the family are decided."""
    tests = [scoped_test(one.strata, one.bound, "pictures like these") for one in posed]
    corrected = holm([1.0 if test.withheld else test.p for test in tests])
    return [
        p <= ALPHA and not (one.withheld_above if test.effect > one.bound else one.withheld_below)
        for one, test, p in zip(posed, tests, corrected, strict=True)
    ]


def shares(world: worlds.World, seeds: int, shift: float, studies: int, seed: int) -> str:
    random = np.random.default_rng([seed, seeds])
    found = sum(any(any_verdict(list(world(random, seeds, shift)))) for _ in range(studies))
    exact = binomtest(found, studies).proportion_ci(0.95, method="exact")
    return f"{found / studies:.1%} ({exact.low:.1%} to {exact.high:.1%})"


def level(studies: int, seed: int) -> str:
    rows = [
        (name, *(shares(world, seeds, 0.0, studies, seed) for seeds in SEEDS)) for name, world in (NULL | WIDER).items()
    ]
    return markdown(("nothing differs: any verdict", *(f"{seeds} seeds" for seeds in SEEDS)), rows)


def power(studies: int, seed: int) -> str:
    rows = [(name, shares(world, 10, 1.5, studies, seed)) for name, world in POWER.items()]
    return markdown(("effect of 1.5 spreads, 10 seeds, pictures like these", "decided"), rows)


def coverage(studies: int, seed: int) -> str:
    sizes = (3, 5, 10, 20)
    kinds: dict[str, worlds.World] = {
        "mean of a cell, normal": worlds.normal,
        "mean of a cell, exponential": worlds.exponential,
        "effect, pictures crossed": worlds.crossed,
        "effect, splits redrawn": worlds.redrawn,
        "effect, three data sets": worlds.of_each_set,
    }
    rows = []
    for name, world in kinds.items():
        held = [_held(world, n, studies, seed) for n in sizes]
        rows.append((name, *(f"{share:.1%}" for share in held)))
    rows += [(f"share of the variance: {term}", *held) for term, held in _shares_held(sizes, studies // 5, seed)]
    return markdown(("95 % interval holds", *(f"n = {n}" for n in sizes)), rows)


def _held(world: worlds.World, n: int, studies: int, seed: int) -> float:
    random, held = np.random.default_rng([seed, n]), 0
    for _ in range(studies):
        (posed,) = world(random, n, 0.0)
        if len(posed.strata) == 1 and world in (worlds.normal, worlds.exponential):
            interval = mean_interval(posed.strata[0].values)
            held += interval.low <= 0 <= interval.high
        else:
            test = scoped_test(posed.strata, 0.0, "pictures like these")
            held += test.low <= 0 <= test.high
    return held / studies


def _shares_held(sizes: tuple[int, ...], studies: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Of two axes without interaction, of which the second explains little."""
    rises, falls, noise = np.array([0, 0.2, 0.5]), np.array([0, 0.1]), 0.2
    squares = {("model",): rises.var(), ("optimizer",): falls.var(), ("model", "optimizer"): 0.0, (): noise**2}
    whole = rises.var() + falls.var() + noise**2
    held = {term: np.zeros(len(sizes)) for term in squares}
    random = np.random.default_rng(seed)
    for place, n in enumerate(sizes):
        index = pd.MultiIndex.from_product([range(n), range(3), range(2)], names=["seed", "model", "optimizer"])
        for _ in range(studies):
            scores = np.add.outer(rises, falls)[None] + random.normal(0, noise, (n, 3, 2))
            table = pd.DataFrame({"score": scores.ravel()}, index=index).reset_index()
            for effect in effects(table, "score", ("model", "optimizer")):
                held[effect.term][place] += effect.low <= squares[effect.term] / whole <= effect.high
    for term, counts in held.items():
        yield " x ".join(term) or "left over", [f"{count / studies:.1%}" for count in counts]


@cache
def _limits() -> tuple[tuple[int, ...], list[float]]:
    sizes = LookPlan.until(MOST, 1).sizes
    return sizes, bounds(sizes, MOST, ALPHA)


def stopped_at(values: np.ndarray) -> tuple[int, bool]:
    """Seeds that a study took, and whether it was decided."""
    for size, limit in zip(*_limits(), strict=True):
        if scoped_test(worlds._alone(values[:size]).strata, 0.0, "pictures like these").p <= limit:
            return size, True
    return MOST, False


def looks(studies: int, seed: int) -> str:
    """Effects as they come: between 0.5 and 2 spreads, each as probable, and none."""
    random = np.random.default_rng(seed)
    sets = {
        "0.5 to 2 spreads": random.uniform(0.5, 2, studies),
        "0.8 spreads": np.full(studies, 0.8),
        "no effect": np.zeros(studies),
    }
    rows = []
    for name, sizes in sets.items():
        values = random.normal(size=(studies, MOST)) + sizes[:, None]
        ends = [stopped_at(one) for one in values]
        trials, found = np.mean([seeds for seeds, _ in ends]), np.mean([done for _, done in ends])
        fixed = next((n for n in range(6, MOST + 1) if _fixed(values, n) >= found), MOST) if sizes.any() else None
        beside = ("–", "–") if fixed is None else (str(fixed), f"{trials / fixed:.0%}")
        rows.append((name, f"{found:.1%}", f"{trials:.1f}", *beside))
    return markdown(
        (
            f"{studies} studies until decided, at most {MOST}",
            "decided",
            "seeds",
            "fixed n of that power",
            "of its trials",
        ),
        rows,
    )


def _fixed(values: np.ndarray, n: int) -> float:
    return float(
        np.mean([scoped_test(worlds._alone(one[:n]).strata, 0.0, "pictures like these").p <= ALPHA for one in values])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    tables = {"level": level, "power": power, "coverage": coverage, "looks": looks}
    parser.add_argument("--only", nargs="+", choices=list(tables), default=list(tables))
    options = parser.parse_args()
    for name in options.only:
        print(tables[name](options.studies, options.seed), flush=True)
        print()


if __name__ == "__main__":
    main()
