"""What to distrust: what the tables know that speaks against the figures of the page, a sentence each."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from orchestrator.evidence.arms import cut_off
from orchestrator.grid.fair import CONVERGED
from orchestrator.report.claims import ClaimSection, ClaimView
from orchestrator.report.page_data import Tuning
from orchestrator.report.summary import Notice, failure_summary
from orchestrator.results.ranked import broken
from orchestrator.text import counted

_CLAIMS: Final = 8
"""That are listed one by one."""


def doubts(
    trials: pd.DataFrame, ranked: pd.DataFrame, claims: ClaimSection | None, tuning: Tuning | None
) -> Iterator[Notice]:
    """Yield each. trials: planned ones that evaluate. ranked: of `ranked_cells`."""
    if broken(ranked).any():
        yield Notice(failure_summary(ranked), section="failures")
    completed = trials[trials["status"] == "completed"]
    yield from _stuck(completed)
    yield from _cut_off(completed, ranked)
    if claims is not None:
        yield from _open(claims.claims)
    if tuning is not None and (edges := len(tuning.edges) + tuning.edges_left_out):
        lie = "lies" if edges == 1 else "lie"
        yield Notice(f"{counted(edges, 'tuned value')} {lie} at the edge of the search range.", section="tuning")


def _stuck(completed: pd.DataFrame) -> Iterator[Notice]:
    stuck = completed[completed["stuck"].fillna(False).astype(bool)]
    if len(stuck):
        cells = counted(stuck["cell_id"].nunique(), "cell")
        yield Notice(
            f"{counted(len(stuck), 'completed trial')} of {cells} learned nothing: their training loss ended no better than"
            " that of a constant answer. They count in means and ranks."
        )


def _cut_off(completed: pd.DataFrame, ranked: pd.DataFrame) -> Iterator[Notice]:
    """By the share that claims go by: the best epoch of a curve at rest is by chance its last, too."""
    last = cut_off(completed).dropna()
    first = ranked[ranked["n"] > 0].drop_duplicates("dataset").set_index("cell_id")["dataset"]
    of_cell = last.groupby(completed["cell_id"].reindex(last.index)).mean()
    hit = [str(first[cell]) for cell in first.index if of_cell.get(cell, 0.0) > CONVERGED]
    if not hit and not (len(last) and last.mean() > CONVERGED):
        return
    where = f" on {' and '.join(hit)}" if len(first) > 1 else ""
    best = f", also for the first cell{where}" if hit else ""
    yield Notice(
        f"Training may have been cut off: in {int(last.sum())} of {counted(len(last), 'trial')} the best epoch is the last"
        f"{best}.",
        section="curves",
    )


def _open(claims: tuple[ClaimView, ...]) -> Iterator[Notice]:
    """Claims that are not decided, and those that were made when there was something to look at."""
    doubted = [claim for claim in claims if claim.outcome in {"inconclusive", "confounded"} or claim.post_hoc]
    for claim in doubted[:_CLAIMS]:
        yield Notice(f"Claim {claim.id} is {claim.verdict_text}: {claim.text.rstrip('.')}.", section="claims")
    if len(doubted) > _CLAIMS:
        yield Notice(f"So are {counted(len(doubted) - _CLAIMS, 'further claim')}.", section="claims")
