"""What the trials of a claim show, within its scope: the effect, how sure it is, and where it is which way."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from orchestrator.evidence.arms import NOT_COMPARED, Comparison
from orchestrator.evidence.pairing import Level, Units, bound_of
from orchestrator.evidence.stats.design import NARROW, WIDE, Scope
from orchestrator.evidence.stats.scope import ScopedTest, scoped_test
from orchestrator.grid.claims import Claim
from orchestrator.grid.looks import LookPlan
from orchestrator.text import counted


@dataclass(frozen=True, slots=True)
class Look:
    """What there was on a claim when each of its cells had so many seeds."""

    seeds: int
    units: Units
    additions: int
    """As `Evidence` has them."""


@dataclass(frozen=True)
class Evidence:
    """What there is on a claim."""

    units: Units
    """Where seeds are added until claims are decided, of the seeds of the latest look."""
    post_hoc: bool
    additions: int
    """How often seeds were added after a look at its data, other than by one plan of looks."""
    cells: frozenset[str]
    """Ids of the cells that it is about, and that run."""
    plan: LookPlan | None = None
    """When it is looked at, where seeds are added until claims are decided."""
    looks: tuple[Look, ...] = ()
    """Those that have been, in their order."""
    arms: Comparison = NOT_COMPARED
    """What else differs between its arms."""
    notes: tuple[str, ...] = ()


class Shown(NamedTuple):
    """What a part of the trials shows by itself."""

    level: Level
    test: ScopedTest


@dataclass(frozen=True)
class Finding:
    """What the trials of a claim show."""

    scope: Scope
    words: str
    """What a verdict is about."""
    bound: float
    """What the effect has to exceed."""
    test: ScopedTest | None
    """None where no pair counts."""
    narrow: ScopedTest | None
    """Of these pictures alone, where that is another scope."""
    places: tuple[Shown, ...]
    """The difference in each place of an interaction, or of a difference along an order."""
    claimed: Shown | None
    """Of these the place where it is said to be the largest."""
    levels: tuple[Shown, ...]
    """The effect at each level of each axis that it is averaged over."""
    size: float
    """Mean over standard deviation of the pairs (Cohen 1988, d_z, section 2.3.5)."""

    @property
    def effect(self) -> float:
        return math.nan if self.test is None else self.test.effect

    @property
    def beyond(self) -> bool:
        """Whether the effect exceeds the bound, however sure that is."""
        return self.effect > self.bound

    @property
    def holds(self) -> bool:
        """Whether it is as claimed, however sure that is: what helps more somewhere has to help there."""
        return self.beyond and (self.claimed is None or self.claimed.test.effect > 0)

    @property
    def withheld(self) -> str | None:
        """Why no verdict may be given."""
        return None if self.test is None else self.test.withheld

    @property
    def p(self) -> float | None:
        """Of the null hypothesis that is to be refused; None where there are no two pairs, or it is withheld.

        Two-sided, of an effect equal to the bound. What is claimed to help more somewhere is two claims, both of which have
        to be shown (an intersection-union test: Berger 1982); it is refuted by either.
        """
        if self.test is None or self.test.withheld or math.isnan(self.test.error):
            return None
        if self.claimed is None or not self.beyond:
            return self.test.p
        helps = self.claimed.test
        return max(self.test.p, helps.p) if helps.effect > 0 else helps.p


def finding_of(claim: Claim, units: Units, confidence: float = 0.95) -> Finding:
    """What a claim's units show. Its scope is that of the measure where that reads no picture. confidence: of intervals."""
    scope: Scope = NARROW if claim.scope == "these_pictures" else WIDE
    bound = bound_of(claim)

    def shown(level: Level) -> Shown:
        return Shown(level, scoped_test(level.strata, 0.0, scope, confidence=confidence))

    def test(scope: Scope) -> ScopedTest | None:
        return scoped_test(units.strata, bound, scope, confidence=confidence) if units.strata else None

    places = tuple(shown(level) for level in units.places if level.strata)
    return Finding(
        scope=scope,
        words=_words(claim, units, scope),
        bound=bound,
        test=test(scope),
        narrow=test(NARROW) if scope != NARROW else None,
        places=places,
        claimed=places[-1 if claim.over is not None and claim.rises else 0] if places else None,
        levels=tuple(shown(level) for level in units.levels if level.strata),
        size=_size(units),
    )


def _words(claim: Claim, units: Units, scope: Scope) -> str:
    sets = f" of these {counted(units.data_sets, 'data set')}" if units.data_sets > 1 else ""
    if claim.on.reads_test:
        return f"on these test pictures{sets}" if scope == NARROW else f"on pictures like these{sets}"
    if claim.on.column.startswith("val_"):
        return f"on these validation pictures{sets}" if scope == NARROW else f"on pictures like these{sets}"
    return f"of training on these data{sets} (no test picture is read)"


def _size(units: Units) -> float:
    """In strata of one spread each counts by its weight."""
    if not units.strata or min(stratum.values.size for stratum in units.strata) < 2:
        return math.nan
    whole = sum(abs(stratum.weight) for stratum in units.strata)
    square = sum(abs(stratum.weight) / whole * stratum.spread.square for stratum in units.strata)
    mean = sum(stratum.weight * float(stratum.values.mean()) for stratum in units.strata)
    if square > 0:
        return mean / math.sqrt(square)
    return 0.0 if mean == 0 else math.copysign(math.inf, mean)


def turns(found: Finding, *, open_: bool) -> Iterator[str]:
    """Say at which levels the effect has which sign, where it has both; a mean over these is an effect of neither.

    open_: whether nothing is decided. What is decided is only put in doubt by a level that surely goes the other way.
    """
    for axis in dict.fromkeys(one.level.axis for one in found.levels):
        those = [one for one in found.levels if one.level.axis == axis]
        if open_:
            both = len({np.sign(one.test.effect) for one in those if one.test.effect != 0}) > 1
        else:
            both = any(_surely(one.test) == -np.sign(found.effect) for one in those)
        if both:
            yield f"its sign differs between levels of {axis}: {', '.join(map(interval_of, those))}"


def _surely(test: ScopedTest) -> float:
    """The sign of an effect whose interval leaves out 0; else 0."""
    return 1.0 if test.low > 0 else -1.0 if test.high < 0 else 0.0


def interval_of(shown: Shown) -> str:
    """`sgd lr=0.1 -0.02 [-0.03, -0.01]`."""
    test = shown.test
    interval = "" if math.isnan(test.low) else f" [{test.low:.4g}, {test.high:.4g}]"
    return f"{shown.level.name} {test.effect:.4g}{interval}"
