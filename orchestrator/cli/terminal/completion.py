"""What a shell offers after TAB where a command asks for a results directory or a trial.

Every TAB is a process of its own, so nothing heavy is imported, and what cannot be read quickly is not offered.
"""

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.terminal.path import LocalPath
from orchestrator.errors import OrchError
from orchestrator.store.paths import ResultsPaths, results_in

_OFFERED: Final = 100
"""Trials; whoever sees more types another digit."""
_PLAIN: Final = re.compile(r"~?[\w.+@/][\w.+@/-]*")
"""What means itself in every shell: it is put on the command line as it stands, after their scripts have split it."""


class ResultsPath(LocalPath):
    """A results directory."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those below the folder that is typed, and below its `results`; where there are none, the shell's own folders."""
        typed, _, beginning = incomplete.rpartition("/")
        folder = f"{typed}/" if "/" in incomplete else ""
        places = [(folder, beginning)]
        if "results".startswith(beginning):
            places.append((f"{folder}results/", ""))
        found = [
            f"{place}{root.name}" for place, begun in places for root in results_in(Path(place).expanduser(), begun)
        ]
        offered = [CompletionItem(path) for path in found if _PLAIN.fullmatch(path)]
        return offered or [CompletionItem(incomplete, type="dir")]


class TrialId(click.types.StringParamType):
    """A trial's id, or how it begins."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The trials of the results directory that stands before it."""
        # an option whose value is being typed ends Click's parsing, and what it has not read yet is in args
        given = [ctx.params.get("results"), *(word for word in ctx.args if not word.startswith("-"))]
        results = next((Path(one).expanduser() for one in given if one is not None), None)
        found = [] if results is None else _trials(ResultsPaths(results), incomplete.lower())
        return [CompletionItem(trial_id) for trial_id in found]


def _trials(paths: ResultsPaths, beginning: str) -> list[str]:
    """Ids out of the journal as it stands, without a look at its checksums; none where it cannot be read."""
    from orchestrator.store.connection import look

    if not paths.journal.is_file():
        return []
    # ids are hexadecimal digits: all that begin so stand before the same with a g
    asked = "SELECT trial_id FROM trials WHERE trial_id >= ? AND trial_id < ? || 'g' ORDER BY trial_id LIMIT ?"
    found: list[str] = []
    with suppress(OrchError, sqlite3.Error, OSError), closing(look(paths.journal)) as journal:
        journal.execute("PRAGMA busy_timeout = 50")
        found = [str(row[0]) for row in journal.execute(asked, (beginning, beginning, _OFFERED))]
    return [trial_id for trial_id in found if trial_id.isascii() and trial_id.isalnum()]


RESULTS: Final = ResultsPath()
TRIAL: Final = TrialId()
