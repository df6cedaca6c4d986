"""Claims while seeds are added until they are decided: what is shown at each look, and at which one each has ended.

Nothing is kept of a look but when it was to be (`LookPlan`): what a claim's first n seeds show is computed anew, as often
as anybody asks. A claim ends when a look of it decides it, beside the other claims of its family; what its cells go on to
show for other claims' sake does not enter it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.evidence.decide import broken
from orchestrator.evidence.finding import Evidence, Finding, finding_of
from orchestrator.evidence.stats.paired import holm
from orchestrator.evidence.stats.sequential import bounds, sequential_p
from orchestrator.grid.claims import ALPHA, Claim


@dataclass(frozen=True, slots=True)
class Moment:
    """A claim at one look, or as it is where the number of seeds is fixed."""

    seeds: int
    """At the look; 0 where there is none."""
    evidence: Evidence
    """As of then."""
    found: Finding
    p: float | None
    """Over all looks so far, and over all plans of looks; None where there is none."""


def moments(claim: Claim, evidence: Evidence) -> list[Moment]:
    """Every look at a claim so far, one at least."""
    plan = evidence.plan
    if plan is None or not evidence.looks:
        found = finding_of(claim, evidence.units)
        p = found.p if plan is None else None
        return [Moment(0, evidence, found, None if p is None else min(1.0, p * (evidence.additions + 1)))]
    return list(_followed(claim, evidence))


def _followed(claim: Claim, evidence: Evidence) -> Iterator[Moment]:
    plan, least, p_values = evidence.plan, 1.0, list[float]()
    assert plan is not None
    for number, look in enumerate(evidence.looks):
        as_of = replace(evidence, units=look.units, additions=look.additions, looks=evidence.looks[: number + 1])
        if look.seeds == plan.before:
            found = finding_of(claim, look.units)
            over = _counting(found, as_of)
        else:
            confidence = 1 - bounds(plan.sizes[: len(p_values) + 1], plan.most, ALPHA / (look.additions + 1))[-1]
            found = finding_of(claim, look.units, confidence)
            p_values.append(_counting(found, as_of))
            over = sequential_p(p_values, plan.sizes, plan.most)
        least = min(least, over * (look.additions + 1))
        yield Moment(look.seeds, as_of, found, None if found.p is None else least)


def _counting(found: Finding, evidence: Evidence) -> float:
    """The p of one look; 1 where no verdict could be given at it."""
    return 1.0 if found.p is None or broken(evidence.units, found) else found.p


def ended(family: Sequence[Sequence[Moment]], others: int) -> list[Moment]:
    """Each claim at the look that decided it, and as it is now where none has.

    All are followed from look to look together, as they were while the seeds came: Holm's correction of one depends on the
    others, so that a look may decide a claim when another claim's has come. others: claims of the family of which there is
    nothing to look at.
    """
    now: list[Moment | None] = [None] * len(family)
    done = [False] * len(family)
    for seeds in sorted({moment.seeds for one in family for moment in one}):
        for place, one in enumerate(family):
            if not done[place]:
                now[place] = next((moment for moment in reversed(one) if moment.seeds <= seeds), None)
        p_values = [1.0 if moment is None or moment.p is None else moment.p for moment in now]
        corrected = holm([*p_values, *[1.0] * others])
        done = [before or bool(p <= ALPHA) for before, p in zip(done, corrected, strict=False)]
    return [
        _least(one, moment.p) if moment is not None and moment.p is not None and was_decided else one[-1]
        for one, moment, was_decided in zip(family, now, done, strict=True)
    ]


def _least(one: Sequence[Moment], p: float) -> Moment:
    """The look that had this p: a later one may show anything."""
    return next(moment for moment in one if moment.p is not None and moment.p <= p)
