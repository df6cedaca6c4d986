"""How much of the journal's write-ahead log is committed, kept beside it: SQLite drops what it cannot read in silence."""

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

from orchestrator.errors import DamagedResults
from orchestrator.store.files import content_of, replace_durably

_EMPTY: Final = blake2b(digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Mark:
    """A log's first `size` bytes are committed, and have this digest. Nothing is said of what follows."""

    salt: str
    size: int
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises DamagedResults, FileNotFoundError."""
        content = content_of(path)
        body, own = content[:-17], content[-17:]
        try:
            salt, size, digest = body.decode("ascii").split()
            found = cls(salt, int(size), digest)
        except ValueError:
            found = None
        if found is None or own != _own(body):
            raise DamagedResults(f"{path} is damaged; `orch repair {path.parent}` makes it anew")
        return found

    def write(self, descriptor: int) -> None:
        """In place, at one go: always of the same length."""
        os.pwrite(descriptor, self._text(), 0)

    def create(self, path: Path) -> None:
        """As a whole: whoever kills us leaves no empty mark behind, which would be taken for a damaged one."""
        replace_durably(path, self._text())

    def _text(self) -> bytes:
        body = f"{self.salt} {self.size:012d} {self.digest} ".encode("ascii")
        return body + _own(body)


NOTHING: Final = Mark("0" * 16, 0, _EMPTY)
"""No log is needed: all that is committed stands in the journal's main file."""


def _own(body: bytes) -> bytes:
    return blake2b(body, digest_size=8).hexdigest().encode("ascii") + b"\n"
