"""Whether a claim was made before its data, and its seeds: of every sweep is kept when it began, its grid and its looks.

A claim is post hoc where some trial that it is about came to its end under a sweep that began before any sweep whose
grid had this claim. Nothing is added to the tables for it: `environments` has every grid as it stood, and `trials` says
under which of them each trial ran.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from orchestrator.errors import GridError
from orchestrator.grid.claims import claim_digest
from orchestrator.grid.looks import LookPlan
from orchestrator.grid.source import parse_source
from orchestrator.plan.extra_seeds import first_seeds
from results_schema import TRAINED


class ClaimHistory:
    """The claims of each sweep on a results directory, in the order of their beginnings."""

    def __init__(self, environments: pd.DataFrame) -> None:
        ordered = environments.sort_values("started_at", kind="stable")
        self._number = {name: number for number, name in enumerate(ordered["environment_id"])}
        read = {text: _claims_in(text) for text in ordered["grid"].unique()}
        self._claims = [read[text] for text in ordered["grid"]]
        self._plans = [LookPlan.parse(text) if isinstance(text, str) else None for text in _looks(ordered)]
        self._fixed = [_seeds_of(str(row.grid), str(row.command)) for row in ordered.itertuples()]
        self._seeds = [
            fixed if plan is None else first_seeds(fixed, plan.most)
            for plan, fixed in zip(self._plans, self._fixed, strict=True)
        ]
        added = ("--add-seeds" in str(command).split() for command in ordered["command"])
        self._adding = [number for number, adds in enumerate(added) if adds]

    def is_post_hoc(self, digest: str, about: pd.DataFrame) -> bool:
        """about: the trials of the directory that the claim is about, those of earlier grids among them."""
        first = next((number for number, claims in enumerate(self._claims) if digest in claims), None)
        ran = self._ran(about)
        return bool(ran) and (first is None or min(ran) < first)

    @property
    def plan(self) -> LookPlan | None:
        """When claims are looked at, by the latest sweep."""
        return self._plans[-1] if self._plans else None

    def first_seeds(self, count: int) -> frozenset[int]:
        """So many seeds that a cell of the latest sweep got before others."""
        return frozenset(first_seeds(self._fixed[-1], count))

    def additions(self, counted: pd.DataFrame, about: pd.DataFrame) -> int:
        """Return how often seeds were added to a claim's trials, by another plan, when some had shown something already.

        counted: those that count now. about: those too that an earlier grid had, and that this one replaced by others.
        Whoever adds seeds until a verdict comes, or plans the looks anew, gets one in the end, so this has to count against
        it. Seeds that are added as a plan of looks has it do not: its looks share one error.
        """
        ran = self._ran(about)
        return max(self._seeds_added(counted, ran), self._plans_changed(ran)) if ran else 0

    def _plans_changed(self, ran: Collection[int]) -> int:
        """How many other numbers of seeds there were, where one was until claims are decided."""
        until = [None if plan is None or plan.before is not None else str(plan) for plan in self._plans]
        others = {until[number] or str(self._fixed[number]) for number in ran if number >= 0}
        if until[-1] is not None:
            return len(others - {until[-1]})
        return len(others & set(filter(None, until)))

    def _seeds_added(self, counted: pd.DataFrame, ran: Collection[int]) -> int:
        trained = counted.loc[counted["status"].isin(TRAINED), ["seed", "environment_id"]].drop_duplicates()
        under = (self._number.get(name, -1) for name in trained["environment_id"])
        added = {self._added(int(seed), number) for seed, number in zip(trained["seed"], under, strict=True)}
        before = min(ran)
        return sum(number > before for number in added)

    def _added(self, seed: int, ran: int) -> int:
        """The sweep that first asked for a seed. ran: the one under which the trial came to its end, maybe a later one."""
        first = next((number for number, seeds in enumerate(self._seeds[: ran + 1]) if seed in seeds), None)
        return max((number for number in self._adding if number <= ran), default=ran) if first is None else first

    def _ran(self, about: pd.DataFrame) -> list[int]:
        """The numbers of the sweeps under which trials showed something."""
        trained = about[about["status"].isin(TRAINED)]
        return [self._number.get(name, -1) for name in trained["environment_id"]]

    def dropped(self, digests: Collection[str], trials: pd.DataFrame) -> dict[str, str]:
        """Return, by digest, id and text of claims that a grid stated and that are not among these any more.

        trials: all of the directory. What was withdrawn before any trial showed something is not among them.
        """
        began = min(self._ran(trials), default=len(self._claims))
        since = self._claims[max(began, 0) :]
        return {digest: name for claims in since for digest, name in claims.items() if digest not in digests}


def _looks(environments: pd.DataFrame) -> Sequence[object]:
    """None in those that an earlier orch wrote."""
    return list(environments["looks"]) if "looks" in environments else [None] * len(environments)


def _seeds_of(text: str, command: str) -> Sequence[int]:
    """The seeds that a sweep had for every cell, where their number was fixed."""
    try:
        given = parse_source(text, Path("grid")).get("seeds")
    except GridError:
        given = ()
    if isinstance(given, dict):
        given = given.get("count", 0)
    seeds = range(1) if given is None else range(given) if isinstance(given, int) else tuple(given)
    asked = re.search(r"--seeds[= ](\d+)", command)
    if not asked:
        return seeds
    return seeds[: int(asked[1])] if isinstance(seeds, tuple) and seeds else range(int(asked[1]))


def _claims_in(text: str) -> dict[str, str]:
    """Digest to id and text, of the claims in a grid's text; none where it holds none or cannot be read any more."""
    try:
        listed = parse_source(text, Path("grid")).get("claims")
    except GridError:
        return {}
    written = listed if isinstance(listed, list) else [listed]
    return {claim_digest(item): f"{item.get('id')} ({item.get('text')})" for item in written if isinstance(item, dict)}
