"""What would decide an open claim: seeds, and how many, or something else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.evidence.family import Family
from orchestrator.evidence.finding import Evidence, Finding, interval_of
from orchestrator.evidence.pairing import Units
from orchestrator.evidence.stats.more_seeds import FOLDED, TOO_CLOSE, SeedsNeeded, seeds_needed
from orchestrator.evidence.stats.sequential import bounds
from orchestrator.grid.claims import ALPHA, Claim, min_seeds
from orchestrator.grid.looks import MOST_ADDED, LookPlan
from orchestrator.text import counted
from results_schema import still_to_run


@dataclass(frozen=True, slots=True)
class Open:
    """Why a claim is open."""

    undecidable: str | None
    """That so few seeds can decide nothing here, whatever they show, and how many could; None where they can."""
    decide: str
    """What would decide it."""
    seeds: int | None
    """So many in all may decide it, where seeds are what it lacks."""


def open_claim(claim: Claim, evidence: Evidence, found: Finding, family: Family) -> Open:
    """What would decide it, beside what the other claims of the family show."""
    other = _other_than_seeds(claim, evidence, found)
    if evidence.plan is not None and evidence.looks and other is None:
        return _between_looks(claim, evidence, evidence.plan, found, len(family))
    undecidable = None if evidence.looks else _undecidable(evidence, family)
    if other is None and found.claimed is not None and found.beyond and not found.holds:
        other = f"whether there is an effect at {interval_of(found.claimed)}: claim that by itself, with `where`"
    if other is not None:
        return Open(undecidable, other, None)
    seeds = _in_all(evidence.units, needed := _needed(evidence, found, len(family)))
    if seeds is None:
        return Open(undecidable, _no_seeds(claim, needed), None)
    return Open(undecidable, _so_many(evidence.units, seeds), seeds)


def _no_seeds(claim: Claim, needed: SeedsNeeded) -> str:
    """What would decide it, where no number of seeds does."""
    wider = ", or a wider `margin`" if needed.reason == FOLDED and claim.kind == "non-inferiority" else ""
    return f"{needed.reason or TOO_CLOSE}{wider}"


def _between_looks(claim: Claim, evidence: Evidence, plan: LookPlan, found: Finding, family: int) -> Open:
    """What is left of a plan of looks. To a fixed number of seeds none are added that seem to decide nothing."""
    had = evidence.looks[-1].seeds
    needed = _needed(evidence, found, family)
    seeds = _in_all(evidence.units, needed)
    following = plan.next(had)
    if following is not None and plan.before is not None:
        if seeds is None:
            return Open(None, _no_seeds(claim, needed), None)
        if seeds > MOST_ADDED:
            return Open(None, _so_many(evidence.units, seeds), None)
    if following is not None:
        number = len(evidence.looks) + 1
        message = f"look {number} of at most {len(plan.all_sizes)}, at {following} of at most {plan.most} seeds"
        return Open(
            None, f"{message}: `orch sweep GRID{'' if plan.before is None else ' --add-seeds'}` goes on", following
        )
    about = _no_seeds(claim, needed) if seeds is None else f"about {max(seeds, had + 1):,} might have been enough"
    return Open(None, f"{had} seeds, the most that were planned, have not decided it; {about}", None)


def _in_all(units: Units, needed: SeedsNeeded) -> int | None:
    """Seeds for so many pairs; None where no number would do."""
    if needed.pairs is None:
        return None
    return max(math.ceil(needed.pairs * units.planned / units.pairs), units.planned + 1)


def _other_than_seeds(claim: Claim, evidence: Evidence, found: Finding) -> str | None:
    """What it lacks, where that is not seeds."""
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
        return "no cells differ in its arms alone; compare levels that the grid combines with the same others"
    if waiting := still_to_run(units.lacking):
        message = f"{counted(waiting, 'trial')} of it {'has' if waiting == 1 else 'have'} still to run"
        return f"{message}: `orch sweep GRID` goes on"
    if not units.blocks:
        if units.lacking.keys() == {"completed"}:
            return f"no trial has a value of {claim.on.name}; claim something on a measure that these data have"
        message = " and ".join(f"{side.name} ({status_counts(side.statuses)})" for side in units.sides)
        return f"never completed together: {message}; `orch sweep GRID --retry` runs again what failed"
    if evidence.arms.confounded:
        return "arms that agree in what `fair` asks: choose levels, budgets or epochs so that they do"
    if evidence.arms.unmeasured:
        return "no seeds: a `fair` that asks for what these tables have, or trials that this orch runs again"
    if broken(units, found):
        return (
            "no seeds: `orch sweep GRID --retry` runs failed trials again, and claims on `diverged` and on `stuck` are about"
            " diverged and stuck ones"
        )
    if found.withheld:
        return "trials that keep predictions, a measure computed from them (test_accuracy), or `scope: these_pictures`"
    return None


def broken(units: Units, found: Finding) -> int:
    """How many pairs are left out for a trial that broke on the side that the others favour: these decide nothing then."""
    return units.flattering if found.beyond else units.belittling


def _needed(evidence: Evidence, found: Finding, family: int) -> SeedsNeeded:
    """Pairs in all that would decide it with a power of 0.8, if spread and effect are what they seem.

    They are added after one look more, and as many of them come to a value as did so far.
    """
    plan, strata = evidence.plan, evidence.units.strata
    anew = 0 if plan is not None and evidence.looks and evidence.looks[-1].seeds != plan.before else 1
    tests = family * (evidence.additions + 1 + anew)
    least = min_seeds(tests)
    if min(stratum.values.size for stratum in strata) < 2:
        return SeedsNeeded(least)
    alpha = ALPHA / tests if plan is None else bounds(plan.sizes, plan.most, ALPHA / tests)[-1]
    needed = seeds_needed(strata, found.bound, found.scope, alpha=alpha)
    return SeedsNeeded(max(needed.pairs, least)) if needed.pairs is not None else needed


def _so_many(units: Units, seeds: int) -> str:
    if units.planned < 2:
        return f"one seed says nothing about the spread between seeds: `orch sweep GRID --seeds {seeds}`"
    if seeds > MOST_ADDED:
        return f"about {seeds:,} seeds in place of {units.planned}: more than --add-seeds runs for so small an effect"
    return (
        f"about {seeds} seeds in place of {units.planned}: `orch sweep GRID --add-seeds` runs those of its cells alone"
    )


def _undecidable(evidence: Evidence, family: Family) -> str | None:
    """`not decidable with 5 seeds, needs at least 8`; None where there is nothing to decide, or trials have still to run."""
    units = evidence.units
    if not units.pairs or still_to_run(units.lacking):
        return None
    least = family.min_pairs(units.pairs, evidence.additions)
    if least <= units.pairs:
        return None
    of_seed, left_out = divmod(units.pairs, units.planned)
    if left_out or not of_seed:  # of some seeds no pair, or not that of each data set, came to a value
        return f"not decidable with the {counted(units.pairs, 'pair')} that came to a value, needs at least {least}"
    return f"not decidable with {counted(units.planned, 'seed')}, needs at least {math.ceil(least / of_seed)}"


def status_counts(statuses: Mapping[str, int]) -> str:
    """`8 completed, 2 timed out`."""
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in statuses.items())
