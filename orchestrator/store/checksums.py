"""`checksums.json`: what the tables and the kept files of a results directory have to be, bit for bit (ADR 8)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Final, Self

from orchestrator.errors import DamagedResults
from orchestrator.store.files import content_of, digest_of, replace_durably
from orchestrator.store.paths import may_be_kept

ABSENT: Final = "absent"
"""In place of a table's digest: it may as well not be there yet."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that a trial has left: its weights, its picture."""

    digest: str
    attempt: int
    """The attempt that wrote it: a later one writes it anew."""


@dataclass(frozen=True, slots=True)
class Checksums:
    """Digests by file name within the results directory."""

    directory_id: str = ""
    """Of the journal, which may have to be rebuilt."""
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More than one while an export puts its files in place: the file is the old one, or `ABSENT`, or the new one."""
    kept: Mapping[str, KeptFile] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Empty where there are none: an older orch wrote none. Raises DamagedResults."""
        try:
            text = content_of(path)
        except FileNotFoundError:
            return cls()
        try:
            content = json.loads(text)["content"]
            found = cls(
                content["directory_id"],
                {name: tuple(digests) for name, digests in content["tables"].items()},
                {name: KeptFile(*values) for name, values in content["kept"].items()},
            )
            right = found._text() == text and found._is_sensible()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            right = False
        if not right:
            raise DamagedResults(f"{path} is damaged; `orch repair {path.parent}` makes it anew")
        return found

    def write(self, path: Path) -> None:
        replace_durably(path, self._text())

    def may_become(self, tables: Mapping[str, str], root: Path) -> Self:
        """Each of these tables is as it is now in `root`, or has this digest. Raises OSError."""
        both = {
            name: tuple(dict.fromkeys((*self._allowed_now(root / name), digest))) for name, digest in tables.items()
        }
        return replace(self, tables=both)

    def may_be_absent(self, table: str) -> bool:
        return ABSENT in self.tables.get(table, (ABSENT,))

    def _allowed_now(self, path: Path) -> tuple[str, ...]:
        if not path.exists():
            return (ABSENT,)
        return self.tables.get(path.name) or (digest_of(path),)  # an older orch wrote it, and no digests

    def _is_sensible(self) -> bool:
        """Whoever wrote it may have given it a right checksum: each value is of its type, and each name is one of orch's."""
        digests = [*chain.from_iterable(self.tables.values()), *(kept.digest for kept in self.kept.values())]
        texts = all(isinstance(text, str) for text in (self.directory_id, *digests))
        return (
            texts and all(type(kept.attempt) is int for kept in self.kept.values()) and all(map(may_be_kept, self.kept))
        )

    def _text(self) -> bytes:
        content = json.dumps(
            {
                "directory_id": self.directory_id,
                "tables": dict(self.tables),
                "kept": {name: [kept.digest, kept.attempt] for name, kept in sorted(self.kept.items())},
            }
        )
        digest = blake2b(content.encode(), digest_size=16).hexdigest()
        return f'{{"checksum": "{digest}", "content": {content}}}\n'.encode()
