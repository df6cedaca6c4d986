"""Which seeds of which cells come next, where seeds are added until the claims of a grid are decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.evidence.judge import judge
from orchestrator.evidence.verdict import Verdict
from orchestrator.grid import GridSpec
from orchestrator.plan.extra_seeds import LatestLook
from orchestrator.store.paths import ResultsPaths


@dataclass(frozen=True, slots=True)
class NextSeeds:
    """What a look has brought."""

    cells: Mapping[str, int]
    """Of `wanted`."""
    left_open: Mapping[str, str]
    """Claims that are open and get no more seeds, by their ids: what would decide them."""
    look: LatestLook | None
    """None where no claim has come to its first."""


def next_seeds(paths: ResultsPaths, grid: GridSpec) -> NextSeeds:
    """Look at the claims, by the plan of the latest sweep.

    Raises UserError (a claim compares cells with themselves), DamagedResults.
    """
    verdicts = judge(paths, grid).verdicts
    left = {one.claim.id: str(one.decide) for one in verdicts if _open(one) and not _goes_on(one)}
    return NextSeeds(wanted(verdicts), left, _look(verdicts, tuple(left)))


def wanted(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Cell id to the seeds that it is to have in all, of the cells of claims that are open and that seeds may decide."""
    cells: dict[str, int] = {}
    for verdict in filter(_goes_on, verdicts):
        assert verdict.seeds is not None
        for cell in verdict.evidence.cells:
            cells[cell] = max(cells.get(cell, 0), verdict.seeds)
    return cells


def _open(verdict: Verdict) -> bool:
    return verdict.outcome in {"inconclusive", "confounded"}


def _goes_on(verdict: Verdict) -> bool:
    """A claim that is confounded is so with more seeds too."""
    return verdict.outcome == "inconclusive" and bool(verdict.evidence.looks) and verdict.seeds is not None


def _look(verdicts: Sequence[Verdict], left_open: tuple[str, ...]) -> LatestLook | None:
    looked = [verdict.evidence for verdict in verdicts if verdict.evidence.looks]
    if not looked:
        return None
    latest = max(looked, key=lambda evidence: len(evidence.looks))
    assert latest.plan is not None
    return LatestLook(
        number=len(latest.looks),
        of=len(latest.plan.all_sizes),
        seeds=latest.looks[-1].seeds,
        most=latest.plan.most,
        decided=tuple(one.claim.id for one in verdicts if not _open(one)),
        goes_on=tuple(one.claim.id for one in verdicts if _goes_on(one)),
        left_open=left_open,
    )
