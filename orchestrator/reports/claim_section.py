"""The claims of the grid and their verdicts, as the page shows them."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.claims.judging import judge
from orchestrator.claims.verdict import Verdict
from orchestrator.claims.wording import arms_of, effect_of, outcome_of, summary, sureness_of, withdrawn
from orchestrator.errors import OrchError
from orchestrator.reports.numbers import number
from orchestrator.store.paths import ResultsPaths

Number = float | None


@dataclass(frozen=True, slots=True)
class ClaimShown:
    """One claim."""

    id: str
    text: str
    outcome: str
    """supported, contradicted or inconclusive."""
    told: str
    """The same, with whether it is post hoc."""
    on: str
    arms: str
    effect: str
    sureness: str
    value: Number
    low: Number
    high: Number
    bound: float
    notes: tuple[str, ...]
    decide: str | None


@dataclass(frozen=True, slots=True)
class ClaimSection:
    """All claims of a grid."""

    told: str
    claims: tuple[ClaimShown, ...]
    withdrawn: str
    """A sentence on those of an earlier grid that the latest does not make; empty where there are none."""


def claim_section(paths: ResultsPaths, grids: Iterable[str]) -> tuple[ClaimSection | None, str | None]:
    """None where no grid has claimed anything; else the claims, or why they cannot be judged.

    grids: the texts of all sweeps here, as they were kept.
    """
    if not any(
        "claims" in grid for grid in grids
    ):  # a text without the word has no such block, and need not be read again
        return None, None
    try:
        judged = judge(paths)
    except OrchError as error:
        return None, f"the claims of the grid cannot be judged: {error}"
    if not judged.verdicts and not judged.dropped:
        return None, None
    return ClaimSection(summary(judged.verdicts), tuple(map(_shown, judged.verdicts)), withdrawn(judged.dropped)), None


def _shown(verdict: Verdict) -> ClaimShown:
    known = number(verdict.effect) is not None
    return ClaimShown(
        id=verdict.claim.id,
        text=verdict.claim.text,
        outcome=verdict.outcome,
        told=outcome_of(verdict),
        on=verdict.claim.on.name,
        arms=arms_of(verdict),
        effect=effect_of(verdict) if known else "",
        sureness=sureness_of(verdict) if known else "",
        value=number(verdict.effect),
        low=number(verdict.low),
        high=number(verdict.high),
        bound=verdict.bound,
        notes=verdict.notes,
        decide=verdict.decide,
    )
