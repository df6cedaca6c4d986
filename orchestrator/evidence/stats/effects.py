"""Which axis matters how much: a decomposition of the variance of trials into axes, pairs of axes and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.evidence.stats.scope import MIN

MAX_COLUMNS: Final = 300
"""Of a design: beyond, pairs of axes are left out, as each seed would take a second."""

Term = tuple[str, ...]
"""One axis, or two whose levels act together."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A term's part of the variance."""

    term: Term
    share: float
    """Of the sum of squares about the mean: 0 to 1 (eta squared). In a grid with holes they need not add up to 1."""
    low: float
    high: float
    """95 % interval over seeds, by the jackknife (`_interval`); not a number below three seeds, as `low`."""


def effects(trials: pd.DataFrame, measure: str, axes: Sequence[str]) -> tuple[Effect, ...]:
    """Main effects and two-way interactions of the axes that vary, the largest first; last the term () for what is left.

    Type II sums of squares: an axis beside all other axes, a pair beside all axes and all other pairs (Langsrud 2003,
    "ANOVA for Unbalanced Data"; the same as statsmodels' `anova_lm(typ=2)`). What is left is spread over seeds and
    higher interactions. Seeds are left out whole, as their trials share a split. trials: completed ones, with `seed`,
    the axes and the measure; rows without a value are left out. Empty where nothing varies.
    """
    used = trials[[*axes, "seed", measure]].dropna()
    varying = axes_at_work(used, measure, axes)
    if not varying:
        return ()
    values = used[measure].to_numpy(dtype=np.float64)
    blocks: dict[Term, NDArray[np.float64]] = {(axis,): _dummies(used, [axis]) for axis in varying}
    pairs: dict[Term, NDArray[np.float64]] = {pair: _dummies(used, list(pair)) for pair in combinations(varying, 2)}
    if sum(block.shape[1] for block in (*blocks.values(), *pairs.values())) <= MAX_COLUMNS:
        blocks |= pairs
    design = _Design(blocks, values, used["seed"].to_numpy())
    shares = design.shares(design.all_seeds)
    seeds = design.all_seeds
    without = np.full((1, len(blocks) + 1), np.nan)
    if len(seeds) >= MIN:
        without = np.array([design.shares(np.delete(seeds, place)) for place in range(len(seeds))])
    found = [
        Effect(term, float(share), *_interval(float(share), without[:, place]))
        for place, (term, share) in enumerate(zip([*blocks, ()], shares, strict=True))
    ]
    return (*sorted(found[:-1], key=lambda effect: -effect.share), found[-1])


def axes_at_work(trials: pd.DataFrame, measure: str, axes: Sequence[str]) -> list[str]:
    """Axes on which trials with a value differ; none where these are all the same."""
    used = trials[[*axes, measure]].dropna()
    if used.empty or np.ptp(used[measure].to_numpy(dtype=np.float64)) == 0:
        return []
    return [axis for axis in axes if used[axis].nunique() > 1]


class _Design:
    """Normal equations, seed by seed, so that those of some seeds are a sum of theirs."""

    def __init__(
        self, blocks: dict[Term, NDArray[np.float64]], values: NDArray[np.float64], seeds: NDArray[np.int64]
    ) -> None:
        columns = np.hstack([np.ones((len(values), 1)), *blocks.values()])
        edges = np.cumsum([1, *(block.shape[1] for block in blocks.values())])
        self._places = {
            term: np.arange(start, end) for term, start, end in zip(blocks, edges[:-1], edges[1:], strict=True)
        }
        centred = values - values.mean()
        self.all_seeds, rows = np.unique(seeds, return_inverse=True)
        self._parts = []
        for place in range(len(self.all_seeds)):
            mine = rows == place
            x, y = columns[mine], centred[mine]
            self._parts.append((x.T @ x, x.T @ y, float(y @ y)))
        self._by_seed = dict(zip(self.all_seeds.tolist(), self._parts, strict=True))

    def shares(self, seeds: NDArray[np.int64]) -> list[float]:
        """Return the share of each term, and last of what is left."""
        chosen = [self._by_seed[seed] for seed in seeds.tolist()]
        gram, products, squares = (sum(part[place] for part in chosen) for place in range(3))
        gram, products = np.asarray(gram), np.asarray(products)
        mean = np.array([0])
        total = float(squares) - _explained(gram, products, mean)
        if total <= 0:
            return [float("nan")] * (len(self._places) + 1)
        mains = [term for term in self._places if len(term) == 1]
        shares = []
        for term in self._places:
            beside = mains if len(term) == 1 else list(self._places)
            with_it = np.concatenate([mean, *(self._places[other] for other in beside)])
            without = np.concatenate([mean, *(self._places[other] for other in beside if other != term)])
            gained = _explained(gram, products, with_it) - _explained(gram, products, without)
            shares.append(max(0.0, gained / total))
        everything = np.concatenate([mean, *self._places.values()])
        left = float(squares) - _explained(gram, products, everything)
        return [*shares, max(0.0, left / total)]


def _explained(gram: NDArray[np.float64], products: NDArray[np.float64], columns: NDArray[np.int64]) -> float:
    """Sum of squares that these columns explain. Some depend on others, so the pseudo-inverse."""
    part, right = gram[np.ix_(columns, columns)], products[columns]
    return float(right @ (np.linalg.pinv(part, rcond=1e-10, hermitian=True) @ right))


def _dummies(rows: pd.DataFrame, axes: list[str]) -> NDArray[np.float64]:
    levels = rows.groupby(axes, sort=False, observed=True).ngroup().to_numpy()
    return np.eye(int(levels.max()) + 1)[levels]


def _interval(share: float, without: NDArray[np.float64]) -> tuple[float, float]:
    """Of a share, by the shares without each seed.

    Student's interval of the jackknife's pseudo-values (Tukey 1958), as they are and on the scale of the arcsine of the
    root, whichever reaches further, and the share itself; two degrees of freedom less, as pseudo-values of a ratio depend on
    each other. It holds the share that endless seeds would have in 92 % of cases or more
    (`benchmarks/evidence_study.py`). A bootstrap, which has some seeds twice, takes noise for effects: of small shares it
    holds 1 %.
    """
    from scipy.stats import t

    n = len(without)
    if n < MIN or not np.isfinite(without).all():
        return float("nan"), float("nan")
    low = high = share
    for there, back in ((lambda x: x, lambda x: x), (_angle, _of_angle)):
        values = n * there(np.full(1, share)) - (n - 1) * there(without)
        reach = t.ppf(0.975, max(1, n - 3)) * values.std(ddof=1) / np.sqrt(n)
        low = min(low, float(back(values.mean() - reach)))
        high = max(high, float(back(values.mean() + reach)))
    return max(0.0, low), min(1.0, high)


def _angle(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.arcsin(np.sqrt(np.clip(share, 0, 1))))


def _of_angle(angle: float) -> float:
    return float(np.sin(np.clip(angle, 0, np.pi / 2)) ** 2)
