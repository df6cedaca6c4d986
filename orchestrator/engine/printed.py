"""What a trial prints: taken whatever it is and however much, and its end kept."""

import io
from collections import deque
from typing import Final

from orchestrator.masking import masked
from trainables.raised import encodable

LOG_LIMIT: Final = 64_000
"""Characters kept of what a trial prints."""
_HELD: Final = 2 * LOG_LIMIT
"""Characters held of it: what is masked is cut afterwards, since half a secret would not be found."""


class Printed(io.TextIOBase):
    """Standard output and error of a trial. Closing it changes nothing: the next trial has one of its own."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"a text is to be written, not {type(text).__name__}")
        self._parts.append(text[-_HELD:])
        self._length += len(self._parts[-1])
        while self._length - len(self._parts[0]) >= _HELD:
            self._length -= len(self._parts.popleft())
        return len(text)

    def close(self) -> None:
        return

    def log(self) -> str:
        """What is kept, without secrets."""
        return masked(encodable("".join(self._parts)))[-LOG_LIMIT:]
