"""`orch sweep GRID --confirm`: what came first, and what may be as good, on seeds that had no part in that."""

from collections.abc import Callable
from typing import Final

from orchestrator.errors import UserError
from orchestrator.grid.claims import min_seeds
from orchestrator.plan.confirmation import ConfirmationSeeds
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.text import counted
from results_schema import ENDED, EVALUATION, OPEN

_CONFIRMING: Final = "SELECT status FROM trials WHERE planned AND purpose = 'confirmation'"
_PLANNED: Final = "SELECT trial_id, status FROM trials WHERE planned AND coalesce(purpose, ?1) = ?1"


def confirming(
    plan: Plan, paths: ResultsPaths, journal: Journal, asked: int | None, note: Callable[[str], None]
) -> ConfirmationSeeds:
    """Return the fresh seeds that are kept, with those that are asked for. The journal is the writer's.

    asked: how many; 0 for as many as the grid has, None for no more than are kept. The cells are chosen by the trials that
    evaluate, all of which have to have ended. Raises UserError where they have not, where nothing is to be chosen, and where
    fresh seeds have been looked at before others were asked for.
    """
    kept = ConfirmationSeeds.read(journal)
    if asked is None:
        return kept
    _refuse_unfinished(plan, paths, journal)
    from orchestrator.results.confirmed import contenders  # pandas and scipy, which no other sweep needs

    journal.commit()
    export(journal, paths)  # a sweep that was killed has left tables that are older than its journal
    chosen = contenders(paths)
    if not chosen:
        raise UserError(
            f"{plan.grid.path}: no data set has two cells that completed, so nothing was chosen among several, and there is"
            " nothing to confirm; more seeds (--seeds) narrow the interval"
        )
    seeds = _seeds(plan, kept, journal, asked)
    for one in chosen:
        rivals = len(one.cells) - 1
        beside = f" and {counted(rivals, 'rival')} that may be as good" if rivals else ""
        note(f"{one.dataset}: {one.label} came first; it{beside} {'run' if rivals else 'runs'} on {seeds} fresh seeds")
        if rivals and seeds < (least := min_seeds(rivals)):
            note(
                f"{one.dataset}: {seeds} seeds cannot decide between it and {counted(rivals, 'rival')}; it takes at least"
                f" {least}"
            )
    return kept.joined([cell for one in chosen for cell in one.cells], seeds)


def _refuse_unfinished(plan: Plan, paths: ResultsPaths, journal: Journal) -> None:
    grid = plan.grid.path
    statuses = dict(journal.query(_PLANNED, (EVALUATION,)))
    if not ENDED & set(statuses.values()):
        raise UserError(f"no trial has ended in {paths.root}, so nothing has come first: run `orch sweep {grid}` first")
    wanted = {trial.trial_id for trial in plan.trials() if trial.cell.purpose == EVALUATION}
    if wanted != statuses.keys():
        lacking = len(wanted - statuses.keys())
        what = (
            f"{lacking} of the {len(wanted)} trials of {grid} are not among them"
            if lacking
            else f"{grid} has fewer trials"
        )
        raise UserError(
            f"the results in {paths.root} are as another grid left them: {what}; run `orch sweep {grid}` first, which runs"
            " what is missing, or give the grid that was run last"
        )
    if left := sum(status in OPEN for status in statuses.values()):
        raise UserError(
            f"{left} of the {len(wanted)} trials of {grid} {'has' if left == 1 else 'have'} still to run: what comes first"
            f" is known when they have ended; run `orch sweep {grid}` first"
        )
    if "completed" not in statuses.values():
        raise UserError(
            f"no trial of {grid} has completed in {paths.root}: there is nothing to rank, and nothing to confirm"
        )


def _seeds(plan: Plan, kept: ConfirmationSeeds, journal: Journal, asked: int) -> int:
    if not kept.cells or not asked or asked == kept.seeds:
        return (kept.seeds if kept.cells else 0) or asked or len(plan.grid.seeds)
    if any(status in ENDED for (status,) in journal.query(_CONFIRMING)):
        raise UserError(
            f"--confirm {asked}: {kept.seeds} fresh seeds have been run here, and running another number after seeing them"
            f" would confirm nothing; `orch sweep {plan.grid.path} --confirm` goes on with those"
        )
    return asked
