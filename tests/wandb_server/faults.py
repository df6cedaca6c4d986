"""What the server does wrong when it is told to."""

import threading
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["401", "429", "500", "silent", "lost"]
"""A status; `silent` takes the request and never answers; `lost` does what was asked and answers with 500."""


@dataclass
class Fault:
    """Befalls requests by their name: an operation of GraphQL, `file_stream` or `upload`."""

    kind: Kind
    names: frozenset[str] = frozenset()
    """All requests where empty."""
    skip: int = 0
    """So many such requests pass before."""
    times: int | None = None
    """Without an end where None."""
    seen: int = 0
    hit: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def strikes(self, name: str) -> bool:
        """Whether it befalls this request. Called under the server's lock."""
        if self.over.is_set() or (self.names and name not in self.names):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.hit >= self.times):
            return False
        self.hit += 1
        return True
