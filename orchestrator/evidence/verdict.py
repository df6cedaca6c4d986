"""The verdict on each claim of a family, from what its trials show.

The test is two-sided about the margin, so that a claim can fail as well as hold.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.evidence.decide import Open, broken, open_claim, status_counts
from orchestrator.evidence.family import Family
from orchestrator.evidence.finding import Evidence, Finding, interval_of, turns
from orchestrator.evidence.looks import ended, moments
from orchestrator.evidence.pairing import Units
from orchestrator.grid.claims import ALPHA, Claim
from results_schema import still_to_run

Outcome = Literal["supported", "contradicted", "inconclusive", "confounded"]
"""`confounded`: its arms differ in what the claim says that they have in common."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say of one claim."""

    claim: Claim
    outcome: Outcome
    found: Finding
    corrected: float | None
    """p over all claims on these data, and over all looks at the data of this one; None where there is none."""
    evidence: Evidence
    open: Open | None
    """Why it is neither supported nor contradicted, where it is not."""
    notes: tuple[str, ...]

    @property
    def units(self) -> Units:
        return self.evidence.units

    @property
    def post_hoc(self) -> bool:
        return self.evidence.post_hoc

    @property
    def effect(self) -> float:
        """Positive where it is as claimed; not a number where no pair has completed."""
        return self.found.effect

    @property
    def low(self) -> float:
        """Of the 95 % interval of the effect within the claim's scope; not a number where there is none."""
        return interval(self.claim, self.found)[0]

    @property
    def high(self) -> float:
        return interval(self.claim, self.found)[1]

    @property
    def bound(self) -> float:
        """What the effect has to exceed."""
        return self.found.bound

    @property
    def p(self) -> float | None:
        """Of `Finding.p`."""
        return self.found.p

    @property
    def size(self) -> float:
        """The standardised effect of `Finding`."""
        return self.found.size

    @property
    def test(self) -> str:
        """Which one, for display."""
        return "" if self.found.test is None else self.found.test.method

    @property
    def scope(self) -> str:
        """What it is about, in words."""
        return self.found.words

    @property
    def undecidable(self) -> str | None:
        """Of `Open`."""
        return None if self.open is None or self.outcome == "confounded" else self.open.undecidable

    @property
    def decide(self) -> str | None:
        """What would decide it."""
        return None if self.open is None else self.open.decide

    @property
    def seeds(self) -> int | None:
        """So many in all may decide it, where seeds are what it lacks."""
        return None if self.open is None else self.open.seeds

    @property
    def differs(self) -> tuple[str, ...]:
        """What else differs between its arms, in words."""
        return tuple(one.words for one in self.evidence.arms.differences)

    @property
    def confounded(self) -> tuple[str, ...]:
        """What of it the claim forbids."""
        return self.evidence.arms.confounded


def verdicts(claims: Sequence[Claim], evidence: Sequence[Evidence], others: int = 0) -> tuple[Verdict, ...]:
    """Return the verdict of each claim. others: further claims of the family, of which there is nothing to look at."""
    followed = ended([moments(claim, one) for claim, one in zip(claims, evidence, strict=True)], others)
    family = Family([1.0 if one.p is None else one.p for one in followed] + [1.0] * others)
    return tuple(
        _verdict(claim, one.evidence, one.found, p, family)
        for claim, one, p in zip(claims, followed, family.corrected, strict=False)
    )


def _verdict(claim: Claim, evidence: Evidence, found: Finding, corrected: float, family: Family) -> Verdict:
    units = evidence.units
    outcome: Outcome = "inconclusive"
    if found.p is not None and corrected <= ALPHA:
        outcome = "supported" if found.holds else "contradicted"
    if still_to_run(units.lacking):
        outcome = "inconclusive"  # who looks as often as trials end finds something that is not there
    notes = [*evidence.notes, *_left_out(units), *_looked(evidence), *_tuned(units), *_elsewhere(found)]
    if outcome != "inconclusive" and (lost := broken(units, found)):
        shows = "what is claimed" if outcome == "supported" else "the opposite"
        notes.append(f"the remaining pairs show {shows}, but {lost} broke on the side that they favour")
        outcome = "inconclusive"
    notes += turns(found, open_=outcome == "inconclusive")
    if not still_to_run(units.lacking) and units.blocks:
        if evidence.arms.confounded:
            outcome = "confounded"
        elif evidence.arms.unmeasured:
            notes.append(f"fairness cannot be checked: no trial has {'; '.join(evidence.arms.unmeasured)}")
            outcome = "inconclusive"
    return Verdict(
        claim=claim,
        outcome=outcome,
        found=found,
        corrected=None if found.p is None else corrected,
        evidence=evidence,
        open=open_claim(claim, evidence, found, family) if outcome in {"inconclusive", "confounded"} else None,
        notes=tuple(notes),
    )


def interval(claim: Claim, found: Finding) -> tuple[float, float]:
    """The 95 % interval of the effect, within what there can be; not numbers where there is none, or it is withheld."""
    if found.test is None or found.withheld:
        return math.nan, math.nan
    most = _most(claim)
    return max(found.test.low, -most), min(found.test.high, most)


def _most(claim: Claim) -> float:
    """Return the largest possible effect: of shares of pairs, Student's interval may reach beyond what there can be."""
    if claim.on.form not in {"time", "diverged"} or claim.kind == "trend":
        return math.inf
    return 2.0 if claim.kind == "interaction" else 1.0


def _looked(evidence: Evidence) -> Iterator[str]:
    if evidence.plan is not None and evidence.looks:
        taken, plan = len(evidence.looks), evidence.plan
        at = (
            f"look {taken} of at most {len(plan.all_sizes)}, at {evidence.looks[-1].seeds} of at most {plan.most} seeds"
        )
        yield f"{at}: p and interval hold over all looks together"
    if additions := evidence.additions:
        times = "once" if additions == 1 else f"{additions} times"
        by = "seeds were added" if evidence.plan is None else "the number of seeds was planned again"
        yield f"{by} {times} after a look at the data, so p is multiplied by {additions + 1}"


def _tuned(units: Units) -> Iterator[str]:
    if units.repetitions > 1:
        yield f"n counts the {units.repetitions} repetitions of tuning: seeds of one share the values that it chose"
    elif units.repetitions:
        yield "tuning chose once for all seeds: it is about these values, and another choice may show another effect"


def _left_out(units: Units) -> Iterator[str]:
    if units.waiting:
        message = status_counts(
            {"without a value" if status == "completed" else status: n for status, n in units.lacking.items()}
        )
        yield f"{units.waiting} of {units.waiting + units.blocks} pairs left out ({message})"


def _elsewhere(found: Finding) -> Iterator[str]:
    """The difference in each place, of what is said to be larger in one."""
    if not found.places:
        return
    yield f"the difference at {', at '.join(map(interval_of, found.places))}"
    if found.claimed is not None and found.beyond and not found.holds:
        yield f"it is larger at {found.claimed.level.name} and not above 0 there, so it does not help more but harms less"
