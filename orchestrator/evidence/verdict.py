"""What a claim's units show: its effect, how sure it is, the verdict, and what would decide an open one.

The test is two-sided about the margin, so that a claim can fail as well as hold; the p-values of all claims of a grid
are corrected together (Holm 1979), those that cannot be tested yet and those that a later grid dropped among them: a family
does not grow as trials end, and does not shrink as claims fail.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from orchestrator.evidence.arms import NOT_COMPARED, Comparison
from orchestrator.evidence.pairing import Units
from orchestrator.evidence.stats.paired import ROUNDING, PairedTest, holm, paired, seeds_to_decide
from orchestrator.grid.claims import ALPHA, Claim, min_seeds
from orchestrator.text import counted
from results_schema import still_to_run

# The claims that are corrected together, and how few pairs can decide none of them.


class Family:
    """All claims that were made of the same data, the withdrawn ones among them."""

    def __init__(self, p_values: Sequence[float]) -> None:
        """p_values: 1 where a claim cannot be tested."""
        self._p = p_values
        self.corrected: list[float] = holm(p_values).tolist()
        """In the same order."""

    def __len__(self) -> int:
        return len(self._p)

    def min_pairs(self, there: int, looks: int) -> int:
        """Fewer pairs give a claim no verdict, even where all are for it. there: pairs that it has.

        As many as `orch plan` says of the grid's claims, but for those that are decided and stay before it in Holm's steps,
        and for looks at the data.
        """
        pairs = there
        while pairs < min_seeds((len(self) - self._before(2 / 2**pairs)) * (looks + 1)):
            pairs += 1
        return pairs

    def _before(self, p: float) -> int:
        """Return how many are decided by a smaller p than this one."""
        return sum(other < p and corrected <= ALPHA for other, corrected in zip(self._p, self.corrected, strict=True))


MAX_SEEDS: Final = 100
"""Seeds of a cell that are run for a claim's sake: what needs more is too small to matter, or needs another grid."""

Outcome = Literal["supported", "contradicted", "inconclusive", "confounded"]
"""`confounded`: its arms differ in what the claim says that they have in common."""


@dataclass(frozen=True)
class Evidence:
    """What there is on a claim."""

    units: Units
    post_hoc: bool
    looks: int
    """How often seeds were added after a look at its data."""
    cells: frozenset[str]
    """Ids of the cells that it is about."""
    arms: Comparison = NOT_COMPARED
    """What else differs between its arms."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say of one claim."""

    claim: Claim
    outcome: Outcome
    effect: float
    """Positive where it is as claimed; not a number where no pair has completed."""
    low: float
    high: float
    """The 95 % interval of the effect."""
    bound: float
    """What the effect has to exceed."""
    p: float | None
    """Of an effect equal to the bound; None where there are no two units."""
    corrected: float | None
    """Over all claims on these data, and over all looks at the data of this one."""
    size: float
    """The standardised effect of `stats.paired`."""
    test: str
    evidence: Evidence
    undecidable: str | None
    """That so few seeds can decide nothing here, whatever they show, and how many could; None where they can."""
    decide: str | None
    """What would decide it."""
    seeds: int | None
    """So many in all may decide it, where seeds are what it lacks."""
    notes: tuple[str, ...]

    @property
    def units(self) -> Units:
        return self.evidence.units

    @property
    def post_hoc(self) -> bool:
        return self.evidence.post_hoc

    @property
    def differs(self) -> tuple[str, ...]:
        """What else differs between its arms, in words."""
        return tuple(one.words for one in self.evidence.arms.differences)

    @property
    def confounded(self) -> tuple[str, ...]:
        """What of it the claim forbids."""
        return self.evidence.arms.confounded


def bound_of(claim: Claim) -> float:
    """Return what the effect has to exceed."""
    return -claim.margin if claim.sense == "not_worse" else claim.margin


def verdicts(claims: Sequence[Claim], evidence: Sequence[Evidence], dropped: int = 0) -> tuple[Verdict, ...]:
    """Return the verdict of each claim. dropped: how many others were made of the same data, and withdrawn."""
    tests = [_tested(claim, one.units) for claim, one in zip(claims, evidence, strict=True)]
    family = Family([1.0 if test is None else test[1].p for test in tests] + [1.0] * dropped)
    return tuple(
        _verdict(claim, one, test, min(1.0, p * (one.looks + 1)), family)
        for claim, one, test, p in zip(claims, evidence, tests, family.corrected, strict=False)
    )


def _tested(claim: Claim, units: Units) -> tuple[PairedTest, PairedTest] | None:
    """The effect with its interval, and the test about the bound; None where there is too little to test."""
    if len(units.differences) < 2:
        return None
    bound = bound_of(claim)
    beyond = units.differences - bound
    beyond[np.abs(beyond) <= ROUNDING * abs(bound)] = 0.0  # a mean of differences that are the bound
    return paired(units.differences, method="t"), paired(beyond)


def _verdict(
    claim: Claim, evidence: Evidence, test: tuple[PairedTest, PairedTest] | None, corrected: float, family: Family
) -> Verdict:
    units, bound = evidence.units, bound_of(claim)
    effect = float(np.mean(units.differences)) if len(units.differences) else float("nan")
    outcome: Outcome = "inconclusive"
    if test is not None and corrected <= ALPHA:
        outcome = "supported" if effect > bound else "contradicted"
    if still_to_run(units.lacking):
        outcome = "inconclusive"  # who looks as often as trials end finds something that is not there
    notes = [*evidence.notes, *_left_out(units), *_looked(evidence.looks)]
    if outcome != "inconclusive" and (broken := _broken(units, effect, bound)):
        shows = "what is claimed" if outcome == "supported" else "the opposite"
        notes.append(f"the pairs that are left show {shows}, but {broken} broke on the side that they favour")
        outcome = "inconclusive"
    if not still_to_run(units.lacking) and units.blocks:
        if evidence.arms.confounded:
            outcome = "confounded"
        elif evidence.arms.unmeasured:
            notes.append(f"whether it is fair cannot be told, for no trial has {'; '.join(evidence.arms.unmeasured)}")
            outcome = "inconclusive"
    seeds = _seeds(claim, evidence, len(family)) if outcome == "inconclusive" else None
    shown, most = None if test is None else test[0], _most(claim)
    return Verdict(
        claim=claim,
        outcome=outcome,
        effect=effect,
        low=float("nan") if shown is None else max(shown.low, -most),
        high=float("nan") if shown is None else min(shown.high, most),
        bound=bound,
        p=None if test is None else test[1].p,
        corrected=None if test is None else corrected,
        size=float("nan") if shown is None else shown.effect,
        test="" if test is None else test[1].test,
        evidence=evidence,
        undecidable=_undecidable(evidence, family) if outcome == "inconclusive" else None,
        decide=_decide(claim, evidence, seeds) if outcome in {"inconclusive", "confounded"} else None,
        seeds=seeds,
        notes=tuple(notes),
    )


def _undecidable(evidence: Evidence, family: Family) -> str | None:
    """`not decidable with 5 seeds, needs 8`; None where there is nothing to decide, or trials have still to run."""
    units = evidence.units
    pairs = len(units.differences)
    if not pairs or still_to_run(units.lacking):
        return None
    least = family.min_pairs(pairs, evidence.looks)
    if least <= pairs:
        return None
    of_seed, left_out = divmod(pairs, units.planned)
    if left_out or not of_seed:  # of some seeds no pair, or not that of each data set, came to a value
        return f"not decidable with the {counted(pairs, 'pair')} that came to a value, needs {least}"
    return f"not decidable with {counted(units.planned, 'seed')}, needs {math.ceil(least / of_seed)}"


def _most(claim: Claim) -> float:
    """Return the largest possible effect: of shares of pairs, Student's interval may reach beyond what there can be."""
    if claim.on.form not in {"time", "diverged"} or claim.kind == "trend":
        return math.inf
    return 2.0 if claim.kind == "interaction" else 1.0


def _looked(looks: int) -> Iterator[str]:
    if looks:
        times = "once" if looks == 1 else f"{looks} times"
        yield f"seeds were added {times} after a look at the data, so p is multiplied by {looks + 1}"


def _broken(units: Units, effect: float, bound: float) -> int:
    """How many pairs are left out for a trial that broke on the side that the others favour: these decide nothing then."""
    return units.flattering if effect > bound else units.belittling


def _decide(claim: Claim, evidence: Evidence, seeds: int | None) -> str:
    """Return what would decide an open claim. seeds: of `_seeds`."""
    units = evidence.units
    absent = [side for side in units.sides if not side.statuses]
    if absent:
        return "; ".join(
            f"every trial of {side.name} is skipped ({side.skipped})"
            if side.skipped
            else f"no trial of {side.name} is in these results: `orch sweep GRID` runs what is missing"
            for side in absent
        )
    if not units.blocks and not units.waiting:
        return "its arms are nowhere in cells that differ in nothing else; compare levels that the grid combines alike"
    if waiting := still_to_run(units.lacking):
        message = f"{counted(waiting, 'trial')} of it {'has' if waiting == 1 else 'have'} still to run"
        return f"{message}: `orch sweep GRID` goes on"
    if not units.blocks:
        if units.lacking.keys() == {"completed"}:
            return f"no trial has a value of {claim.on.name}; claim something on a measure that these data have"
        message = " and ".join(f"{side.name} ({_status_counts(side.statuses)})" for side in units.sides)
        return f"never completed together: {message}; `orch sweep GRID --retry` runs again what failed"
    if evidence.arms.confounded:
        return "arms that are alike in what `fair` asks: levels, budgets or epochs that make them so"
    if evidence.arms.unmeasured:
        return "no seeds: a `fair` that asks for what these tables have, or trials that are run anew by this orch"
    if _broken(units, float(np.mean(units.differences)), bound_of(claim)):
        return (
            "no seeds: `orch sweep GRID --retry` runs again what failed, and a claim on `diverged` counts what diverged"
        )
    if seeds is None:
        return "no number of seeds within reason: the effect is too close to what would make no difference"
    if units.planned < 2:
        return f"one seed tells nothing of the spread between seeds: `orch sweep GRID --seeds {seeds}`"
    if seeds > MAX_SEEDS:
        return f"about {seeds:,} seeds in place of {units.planned}: more than --add-seeds runs for so small an effect"
    return (
        f"about {seeds} seeds in place of {units.planned}: `orch sweep GRID --add-seeds` runs those of its cells alone"
    )


def _seeds(claim: Claim, evidence: Evidence, family: int) -> int | None:
    """Return how many seeds in all would decide it with a power of 0.8, if spread and effect are what they seem.

    They are added after one look more, and as many of them come to a value as did so far. None where it does not lack
    seeds: trials have still to run, nothing can be compared, what is left out is what matters, or no number would do.
    """
    units, bound = evidence.units, bound_of(claim)
    if not units.blocks or still_to_run(units.lacking) or evidence.arms.unmeasured:
        return None
    if _broken(units, float(np.mean(units.differences)), bound):
        return None
    tests = family * (evidence.looks + 2)
    if len(units.differences) < 2:
        needed: int | None = min_seeds(tests)
    else:
        needed = seeds_to_decide(units.differences, bound, alpha=ALPHA / tests)
    if needed is None:
        return None
    in_each = len(units.differences) / units.planned
    return max(int(np.ceil(max(needed, min_seeds(tests)) / in_each)), units.planned + 1)


def _left_out(units: Units) -> Iterator[str]:
    if units.waiting:
        message = _status_counts(
            {"without a value" if status == "completed" else status: n for status, n in units.lacking.items()}
        )
        yield f"{units.waiting} of {units.waiting + units.blocks} pairs left out ({message})"


def _status_counts(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in statuses.items())
