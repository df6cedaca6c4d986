"""How a sweep ended."""

from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """How a sweep ended."""

    name: str
    results: Path
    counts: dict[str, int]
    """Planned trials by status."""
    ran: int
    """Trials that this sweep had to run."""
    startup_seconds: float
    """From the beginning to the first trial handed to a slot that was ready."""
    run_seconds: float
    """From there to the last row in the journal."""
    export_seconds: float
    """Of the final export."""

    def as_text(self) -> str:
        """For the end of a sweep."""
        counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(self.counts.items()))
        done = f"ran {self.ran} trials in {self.run_seconds:.1f} s" if self.ran else "nothing was left to run"
        return f"{self.name}: {done}; {counts}\ntables in {self.results}"

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {**asdict(self), "results": str(self.results)}

    @property
    def succeeded(self) -> bool:
        """Whether every planned trial is completed, skipped or diverged."""
        return not set(self.counts) - {"completed", "skipped", "diverged"}
