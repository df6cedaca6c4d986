"""The claims of the grid and their verdicts, as the page shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import OrchError
from orchestrator.evidence.judge import judge
from orchestrator.evidence.text import arms_of, effect_of, narrow_of, outcome_of, summary, sureness_of, withdrawn
from orchestrator.evidence.verdict import Verdict
from orchestrator.report.page_data import number
from orchestrator.store.paths import ResultsPaths

Number = float | None
_HIDDEN: Final = "test scores are shown once all trials have ended"


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim as the page shows it."""

    id: str
    text: str
    outcome: str
    """supported, contradicted, inconclusive or confounded."""
    verdict_text: str
    """The same, with whether it is post hoc, and whether its seeds can decide it at all."""
    post_hoc: bool
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

    summary: str
    claims: tuple[ClaimView, ...]
    withdrawn: str
    """A sentence on those of an earlier grid that the latest does not make; empty where there are none."""


def claim_section(
    paths: ResultsPaths, grids: Iterable[str], *, under_way: bool
) -> tuple[ClaimSection | None, str | None]:
    """Return the claims, or why they cannot be judged; None where no grid has claimed anything.

    grids: the texts of all sweeps here, as they were kept. under_way: whether trials have still to run: figures of the
    test split are then left to `orch claims`, which is asked for them.
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
    shown = tuple(_shown(one, hidden=under_way and one.claim.on.reads_test) for one in judged.verdicts)
    return ClaimSection(summary(judged.verdicts), shown, withdrawn(judged.dropped)), None


def _shown(verdict: Verdict, *, hidden: bool) -> ClaimView:
    known = number(verdict.effect) is not None and not hidden
    return ClaimView(
        id=verdict.claim.id,
        text=verdict.claim.text,
        outcome=verdict.outcome,
        verdict_text=outcome_of(verdict),
        post_hoc=verdict.post_hoc,
        on=verdict.claim.on.name,
        arms=_HIDDEN if hidden else arms_of(verdict),
        effect=effect_of(verdict) if known else "",
        sureness=sureness_of(verdict) if known else "",
        value=number(verdict.effect) if known else None,
        low=number(verdict.low) if known else None,
        high=number(verdict.high) if known else None,
        bound=verdict.bound,
        notes=(
            *_shown_alone(verdict, known),
            *(f"what else differs: {what}" for what in verdict.differs),
            *verdict.notes,
        ),
        decide=verdict.decide,
    )


def _shown_alone(verdict: Verdict, known: bool) -> tuple[str, ...]:
    """What these test pictures alone show, unless figures of the test split are hidden."""
    narrow = narrow_of(verdict) if known else None
    return () if narrow is None else (narrow,)
