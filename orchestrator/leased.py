"""A trial in the hands of a slot."""

from dataclasses import dataclass

from orchestrator.queue import Waiting


@dataclass(slots=True)
class Leased:
    """A trial that a slot holds."""

    waiting: Waiting
    label: str
    """For the eye."""
    attempt: int
    node: str = ""
    """Id of the slot's node; empty where it has several, or none is known."""
    epoch: int = 0
    begun: bool = False
