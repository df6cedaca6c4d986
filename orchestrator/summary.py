"""How a sweep ended."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from orchestrator.errors import UserError
from orchestrator.plain_text import one_line

_REASONS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """How a sweep ended."""

    name: str
    results: Path
    counts: dict[str, int]
    """Planned trials by status."""
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

    def as_text(self) -> str:
        """For the end of a sweep."""
        counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(self.counts.items()))
        return "\n".join([f"{self.name}: {self._done()}; {counts}", *self._reasons(), f"tables in {self.results}"])

    def _done(self) -> str:
        if self.ran:
            return f"ran {self.ran} trial{'' if self.ran == 1 else 's'} in {self.run_seconds:.1f} s"
        if self.nothing_could_run:
            return "nothing could run"
        return "nothing was left that can run" if self.skipped else "nothing was left to run"

    def _reasons(self) -> Iterator[str]:
        for reason, trials in list(self.skipped.items())[:_REASONS_SHOWN]:
            yield f"  {trials} × {one_line(reason)}"
        if (more := len(self.skipped) - _REASONS_SHOWN) > 0:
            yield f"  and {more} more reasons: `orch results {self.results} --where status=skipped --columns reason`"

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {**asdict(self), "results": str(self.results)}

    @property
    def succeeded(self) -> bool:
        """Whether every planned trial is completed, skipped or diverged."""
        return not set(self.counts) - {"completed", "skipped", "diverged"}

    @property
    def exit_code(self) -> int:
        if not self.succeeded:
            return 1
        return UserError.exit_code if self.nothing_could_run else 0
