"""What is found of a file of a results directory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """One file, or what is missing in place of one."""

    file: str
    """Within the results directory."""
    damage: str | None
    """What is wrong and what is lost by it; None where the file is intact."""
    detail: str = ""
    """What else there is to say."""

    @property
    def intact(self) -> bool:
        return self.damage is None
