"""Which cells get more seeds, so that claims which are open may be decided."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.claims.judging import judge
from orchestrator.claims.verdict import MOST_SEEDS
from orchestrator.errors import UserError
from orchestrator.reports.source import results_at
from orchestrator.store.paths import ResultsPaths


def more_seeds(paths: ResultsPaths, grid: Path, note: Callable[[str], None]) -> dict[str, int]:
    """Cell id to the seeds that it should have in all, for the cells of claims that lack seeds and nothing else.

    A claim of which trials have still to run gets none: they run first. Raises GridError, DamagedResults.
    """
    try:
        judged = judge(results_at(paths.root), grid)
    except UserError as nothing:
        note(f"no seeds are added: {nothing}")
        return {}
    wanted: dict[str, int] = {}
    for verdict in judged.verdicts:
        if verdict.outcome != "inconclusive":
            continue
        if verdict.seeds is None or verdict.seeds > MOST_SEEDS:
            note(f"{verdict.claim.id} gets no more seeds: {verdict.decide}")
            continue
        for cell in verdict.evidence.cells:
            wanted[cell] = max(wanted.get(cell, 0), verdict.seeds)
        note(f"{verdict.claim.id} is open: {len(verdict.evidence.cells)} cells get {verdict.seeds} seeds in all")
    return wanted
