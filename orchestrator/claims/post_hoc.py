"""Whether a claim was made before its data: the grid's text is kept of every sweep, with the time at which it began.

A claim is post hoc where some trial that it is about came to its end under a sweep that began before any sweep whose
grid had this claim. Nothing is added to the tables for it: `environments` has every grid as it stood, and `trials` says
under which of them each trial ran.
"""

import re
from collections.abc import Collection
from typing import Final

import pandas as pd

from orchestrator.errors import GridError
from orchestrator.grid import nodes
from orchestrator.grid.claims import claim_digest
from orchestrator.grid.nodes import plain
from orchestrator.grid.source import parse

_TOLD_SOMETHING: Final = ("completed", "diverged")


class Recorded:
    """The claims of each sweep on a results directory, in the order of their beginnings."""

    def __init__(self, environments: pd.DataFrame) -> None:
        ordered = environments.sort_values("started_at", kind="stable")
        self._number = {name: number for number, name in enumerate(ordered["environment_id"])}
        read = {text: _claims_in(text) for text in ordered["grid"].unique()}
        self._claims = [read[text] for text in ordered["grid"]]
        self._seeds = [_seeds_of(str(row.grid), str(row.command)) for row in ordered.itertuples()]

    def is_post_hoc(self, digest: str, about: pd.DataFrame) -> bool:
        """about: the trials of the directory that the claim is about, those of earlier grids among them."""
        first = next((number for number, claims in enumerate(self._claims) if digest in claims), None)
        ran = self._ran(about)
        return bool(ran) and (first is None or min(ran) < first)

    def looks(self, about: pd.DataFrame) -> int:
        """How often seeds were added to a claim's trials when some had told something already. about: those that count.

        Whoever adds seeds until a verdict comes gets one in the end, so this has to count against it.
        """
        ran = self._ran(about)
        if not ran:
            return 0
        longest, looks = 0, 0
        for number, seeds in enumerate(self._seeds):
            looks += (seeds is None or seeds > longest) and min(ran) < number <= max(ran)
            longest = max(longest, seeds or 0)
        return looks

    def _ran(self, about: pd.DataFrame) -> list[int]:
        """The numbers of the sweeps under which trials told something."""
        told = about[about["status"].isin(_TOLD_SOMETHING)]
        return [self._number.get(name, -1) for name in told["environment_id"]]

    def dropped(self, digests: Collection[str]) -> tuple[str, ...]:
        """The claims that an earlier grid stated and that are no longer among these, each as id and text."""
        gone = {digest: name for claims in self._claims for digest, name in claims.items() if digest not in digests}
        return tuple(dict.fromkeys(gone.values()))


def _seeds_of(text: str, command: str) -> int | None:
    """How many seeds a sweep had for each cell; None where it added some (`--add-seeds`)."""
    options = command.split()
    if "--add-seeds" in options:
        return None
    asked = re.search(r"--seeds[= ](\d+)", command)
    if asked:
        return int(asked[1])
    try:
        seeds = parse(text, "grid").get("seeds")
    except GridError:
        return 0
    given = 1 if seeds is None else plain(seeds)
    return len(given) if isinstance(given, list) else given if isinstance(given, int) else 0


def _claims_in(text: str) -> dict[str, str]:
    """Digest to id and text, of the claims in a grid's text; none where it holds none or cannot be read any more."""
    try:
        listed = parse(text, "grid").get("claims")
    except GridError:
        return {}
    written = [plain(item) for item in nodes.items(listed)] if listed is not None else []
    return {claim_digest(item): f"{item.get('id')} ({item.get('text')})" for item in written if isinstance(item, dict)}
