"""`orch sweep --only TRIAL`: which trials of a plan are meant."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from orchestrator.errors import UserError
from orchestrator.plan.plan import Plan
from orchestrator.store.journal import Journal
from results_schema import RETRYABLE, still_to_run
from trainables.errors import alike, meant

_SHOWN: Final = 6
"""Ids that a message lists."""


def named_trials(plan: Plan, kept: Mapping[str, str], prefixes: Sequence[str]) -> frozenset[str]:
    """The trials of the plan whose ids begin so, each prefix one, and those whose nets they are made of, where these are not
    there yet. Raises UserError where a prefix is none's, or several trials'.

    kept: trial id to status, of what the results directory knows: also what the plan no longer names.
    """
    wanted = tuple(prefix.strip().lower() for prefix in prefixes)
    found: dict[str, list[str]] = {prefix: [] for prefix in wanted}
    tuning: set[str] = set()
    parents: dict[str, str] = {}
    for cell in plan.cells():
        seeds = plan.seeds_of(cell)
        of_tuning = [trial for trial in cell.tuning_ids(seeds) if trial.startswith(wanted)]
        tuning.update(of_tuning)
        if cell.has_parent and cell.skip is None:
            parents.update((cell.trial_id(seed), cell.parent_id(seed)) for seed in seeds)
        for trial in (*cell.trial_ids(seeds), *of_tuning):
            if trial.startswith(wanted):
                for prefix in wanted:
                    if trial.startswith(prefix):
                        found[prefix].append(trial)
    named = {_the_one(prefix, trials, tuning, kept) for prefix, trials in found.items()}
    return frozenset(
        named | {parents[trial] for trial in named & parents.keys() if kept.get(parents[trial]) != "completed"}
    )


def _the_one(prefix: str, trials: Sequence[str], tuning: set[str], kept: Mapping[str, str]) -> str:
    if len(trials) > 1 and prefix not in trials:
        more = f" and {len(trials) - _SHOWN} more" if len(trials) > _SHOWN else ""
        raise UserError(
            f"--only {prefix}: {len(trials)} trials begin like this: {', '.join(sorted(trials)[:_SHOWN])}{more};"
            " give more digits"
        )
    if not trials:
        earlier = [trial for trial in kept if prefix and trial.startswith(prefix)]
        raise UserError(
            f"--only {prefix}: the grid no longer names {earlier[0]}; `orch debug RESULTS TRIAL` runs it unrecorded"
            if earlier
            else f"--only {prefix}: no trial of the grid has an id that begins like this;"
            f" {meant(alike(prefix, kept, most=3), '`orch results RESULTS` lists them')}"
        )
    trial = prefix if prefix in trials else trials[0]
    if trial in tuning:
        raise UserError(f"--only {prefix}: {trial} is a tuning trial; name a trial that its cell is tuned for")
    return trial


def outcome_of(named: frozenset[str], journal: Journal) -> tuple[dict[str, int], dict[str, int]]:
    """Of the named trials: how many have each status, and how many are skipped for each reason, the most frequent first."""
    rows = journal.query("SELECT trial_id, status, coalesce(reason, '') FROM trials")
    ends = [(status, reason) for trial, status, reason in rows if trial in named]
    reasons = Counter(reason for status, reason in ends if status == "skipped")
    return dict(Counter(status for status, _ in ends)), dict(reasons.most_common())


def tell_of_ended(named: frozenset[str], kept: Mapping[str, str], note: Callable[[str], None], *, retry: bool) -> None:
    """Say of each named trial that does not run why it does not. kept: statuses from before."""
    for trial in sorted(named):
        status = kept.get(trial, "pending")
        if status in RETRYABLE and not retry:
            note(f"{trial} ended before ({status.replace('_', ' ')}): --retry runs it again")
        elif status not in RETRYABLE and status != "skipped" and not still_to_run({status: 1}):
            note(
                f"{trial} is {status} and does not run again; `orch debug RESULTS {trial}` runs it without recording it"
            )
