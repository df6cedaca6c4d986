"""What travels to the head with the code, and what comes back: a command, and what it said. Nothing secret is in it."""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from clusters.kinds import KINDS, Attach
from clusters.spec import ClusterSpec

RESULTS: Final = "RESULTS"
"""Stands in a command for the sweep's results directory, which only the head can name."""
LOOKS: Final = "looks"
"""A command of ours alone: one look after another at the results."""
GRID: Final = "grid"
"""The folder of the grid, beside the code."""
CLUSTER: Final = "cluster.yaml"
_REQUEST: Final = "request.json"
_MARK: Final = "orch-answer: "
LONGEST: Final = 256 * 2**20
"""Bytes of an answer, as far as it is unpacked."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command for the head."""

    arguments: tuple[str, ...]
    root: str
    """The folder in which each sweep has its results directory."""
    name: str | None
    """Of the sweep; None: the only one there."""
    shown: tuple[str, ...]
    """The command line as its user gave it, for messages that say how to go on."""
    live: bool = False
    """Whether what it says goes to the job's log immediately."""

    def write(self, folder: Path) -> None:
        (folder / _REQUEST).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Request":
        fields = json.loads((folder / _REQUEST).read_text())
        return cls(**{**fields, "arguments": tuple(fields["arguments"]), "shown": tuple(fields["shown"])})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the command gave."""

    code: int
    output: str
    errors: str

    def line(self) -> str:
        """Return it as one line of the job's log."""
        packed = zlib.compress(json.dumps(asdict(self)).encode())
        return _MARK + base64.b64encode(packed).decode()


def answer_in(line: str) -> Answer | None:
    """The answer that a line of the log holds; None where it is another line, whoever wrote it."""
    if not line.startswith(_MARK):
        return None
    try:
        packed = base64.b64decode(line.removeprefix(_MARK), validate=True)
        answer = Answer(**json.loads(zlib.decompressobj().decompress(packed, LONGEST)))
    except (ValueError, TypeError, RecursionError, zlib.error):
        return None
    return answer if _is_whole(answer) else None


def _is_whole(answer: Answer) -> bool:
    """Whether it has the types that it says: whoever answers for the head wrote it."""
    code = type(answer.code) is int and 0 <= answer.code <= 255
    return code and isinstance(answer.output, str) and isinstance(answer.errors, str)


def cluster_text(cluster: ClusterSpec) -> str:
    """The cluster file that the head reads: the same cluster, from within. JSON is YAML."""
    of_kinds = frozenset[str]().union(*(kind.keys for kind in KINDS.values()))
    kept = cluster.model_dump(exclude={"token_file", *(of_kinds - Attach.keys)}, exclude_none=True)
    # the job's own code travels to its workers
    return json.dumps({**kept, "kind": "attach", "address": "auto", "code": "installed"}, indent=1)


def last_answer(lines: Sequence[str]) -> Answer | None:
    """The answer in a job's log; None where it has none."""
    return next((found for line in reversed(lines) if (found := answer_in(line)) is not None), None)
