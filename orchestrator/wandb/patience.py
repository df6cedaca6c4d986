"""How long W&B is waited for, and how often it is sent something."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """With W&B."""

    answer_seconds: float
    """For the start of a run, and for a question."""
    finish_seconds: float
    """For the end of a run."""
    parcel_seconds: float
    """Between two parcels of rows of a run: the SDK's own 15 would let a row of a live run wait for longer than it may."""

    @property
    def counted_seconds(self) -> float:
        """For W&B to count the rows of a run that has ended, which it does after they have arrived."""
        return self.answer_seconds / 2

    def sent_seconds(self, size: int) -> float:
        """For a file of so many bytes: a second for each MiB, beside what any takes."""
        return self.finish_seconds + size / 2**20

    @property
    def live_seconds(self) -> float:
        """The same while a run is open, which is in no hurry."""
        return self.parcel_seconds + 2 * self.answer_seconds
