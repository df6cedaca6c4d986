"""Whether a claim was made before its data: the grid's text is kept of every sweep, with the time at which it began.

A claim is post hoc where some trial that it is about came to its end under a sweep that began before any sweep whose
grid had this claim. Nothing is added to the tables for it: `environments` has every grid as it stood, and `trials` says
under which of them each trial ran.
"""

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from orchestrator.errors import GridError
from orchestrator.grid.claims import claim_digest
from orchestrator.grid.source import parse_source
from results_schema import TRAINED


class ClaimHistory:
    """The claims of each sweep on a results directory, in the order of their beginnings."""

    def __init__(self, environments: pd.DataFrame) -> None:
        ordered = environments.sort_values("started_at", kind="stable")
        self._number = {name: number for number, name in enumerate(ordered["environment_id"])}
        read = {text: _claims_in(text) for text in ordered["grid"].unique()}
        self._claims = [read[text] for text in ordered["grid"]]
        self._seeds = [_seeds_of(str(row.grid), str(row.command)) for row in ordered.itertuples()]
        added = ("--add-seeds" in str(command).split() for command in ordered["command"])
        self._adding = [number for number, adds in enumerate(added) if adds]

    def is_post_hoc(self, digest: str, about: pd.DataFrame) -> bool:
        """about: the trials of the directory that the claim is about, those of earlier grids among them."""
        first = next((number for number, claims in enumerate(self._claims) if digest in claims), None)
        ran = self._ran(about)
        return bool(ran) and (first is None or min(ran) < first)

    def looks(self, counted: pd.DataFrame, about: pd.DataFrame) -> int:
        """Return how often seeds were added to a claim's trials when some had shown something already.

        counted: those that count now. about: those too that an earlier grid had, and that this one replaced by others.
        Whoever adds seeds until a verdict comes gets one in the end, so this has to count against it.
        """
        ran = self._ran(about)
        if not ran:
            return 0
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


def _seeds_of(text: str, command: str) -> Collection[int]:
    """The seeds that a sweep had for every cell."""
    asked = re.search(r"--seeds[= ](\d+)", command)
    if asked:
        return range(int(asked[1]))
    try:
        given = parse_source(text, Path("grid")).get("seeds")
    except GridError:
        return ()
    if given is None:
        return range(1)
    return given if isinstance(given, list) else range(given) if isinstance(given, int) else ()


def _claims_in(text: str) -> dict[str, str]:
    """Digest to id and text, of the claims in a grid's text; none where it holds none or cannot be read any more."""
    try:
        listed = parse_source(text, Path("grid")).get("claims")
    except GridError:
        return {}
    written = listed if isinstance(listed, list) else [listed]
    return {claim_digest(item): f"{item.get('id')} ({item.get('text')})" for item in written if isinstance(item, dict)}
