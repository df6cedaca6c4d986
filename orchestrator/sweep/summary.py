"""What a sweep has come to, as its last words and as `--json` say it."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from orchestrator.errors import UserError
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.loop import Sweep
from orchestrator.sweep.only import outcome_of
from orchestrator.text import counted, one_line
from results_schema import FINAL, still_to_run

REASONS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """How a sweep ended."""

    name: str
    results: Path
    counts: dict[str, int]
    """Planned trials by status; with `--only` those that it names."""
    ran: int
    """Trials that came to an end in this sweep."""
    skipped: dict[str, int]
    """Reason to the number of planned trials that were skipped for it, the most frequent first."""
    nothing_could_run: bool
    """Whether no planned trial could run, or none of those that were left."""
    startup_seconds: float
    """From the beginning to the first trial handed to a slot that was ready."""
    run_seconds: float
    """From there to the last row in the journal."""
    export_seconds: float
    """Of the final export."""
    others: int = 0
    """Planned trials that `--only` left to run; none of them is counted in `counts`."""

    def as_text(self) -> str:
        """Format it for the end of a sweep."""
        counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(self.counts.items()))
        others = f"; {counted(self.others, 'other')} still to run" if self.others else ""
        first = f"{self.name}: {self._done()}; {counts}{others}"
        return "\n".join([first, *self._reasons(), f"tables in {self.results}"])

    def _done(self) -> str:
        if self.ran:
            return f"ran {counted(self.ran, 'trial')} in {self.run_seconds:.1f} s"
        if self.nothing_could_run:
            return "nothing could run"
        return "nothing was left that can run" if self.skipped else "nothing was left to run"

    def _reasons(self) -> Iterator[str]:
        for reason, trials in list(self.skipped.items())[:REASONS_SHOWN]:
            yield f"  {trials} × {one_line(reason)}"
        if (more := len(self.skipped) - REASONS_SHOWN) > 0:
            yield f"  and {more} more reasons: `orch results {self.results} --where status=skipped --columns reason`"

    def as_json(self) -> dict[str, object]:
        """Format it for `--json`."""
        return {**asdict(self), "results": str(self.results)}

    @property
    def succeeded(self) -> bool:
        """Whether every planned trial is completed, skipped or diverged."""
        return self.counts.keys() <= FINAL

    @property
    def exit_code(self) -> int:
        if not self.succeeded:
            return 1
        return UserError.exit_code if self.nothing_could_run else 0


def summary_of(
    name: str,
    paths: ResultsPaths,
    journal: Journal,
    sweep: Sweep,
    only: frozenset[str] | None,
    *,
    began: float,
    export_seconds: float,
    no_room: bool,
) -> SweepSummary:
    """Sum up a sweep that has ended. only: the trials that it was about, where not all. began: of `time.monotonic`.

    no_room: something waited, and nothing of it had room.
    """
    counts, skipped = (journal.counts(), journal.skipped_reasons()) if only is None else outcome_of(only, journal)
    return SweepSummary(
        name=name,
        results=paths.root,
        counts=counts,
        ran=sweep.ran,
        skipped=skipped,
        nothing_could_run=counts.keys() == {"skipped"} or no_room,
        startup_seconds=(sweep.first_task or time.monotonic()) - began,
        run_seconds=0.0 if sweep.first_task is None else sweep.last_row - sweep.first_task,
        export_seconds=export_seconds,
        others=0 if only is None else still_to_run(journal.counts()) - still_to_run(counts),
    )
