"""`docs/chaos.md`: every run of the harness adds its counts to it."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from tests.chaos.figures import NOTHING, Figures

HEAD = """\
# Faults

Written by `make chaos MINUTES=60`, which adds its counts to it. Each case is a real sweep of tiny real trials,
disturbed once (or as often as its line says), gone on with, and compared with an undisturbed run: planned ids are the
ids in the table, none twice, metrics equal bit by bit, `orch verify` ends with 0, the exit code is one of those
documented for the fault, no traceback. One line alone: `python -m tests.chaos --fault NAME --times 50`.

*Again*: finished (committed) trials that ran again. *Window*: trials that had ended after the last commit, and ran
again. *In flight*: trials that were running, and ran again. *Slowest*: seconds from the fault to the end of the last
process, where that is measured (signals, and faults on Ray); 0.0 elsewhere. *Broken*: cases in which the invariant did
not hold.

What it does not show: a forked sweep begins after the imports, so no fault hits those. After most faults on Ray the
inline engine goes on, not Ray. Writes of less than 512 bytes are not split. A failed system call has to end in some
line, whose words are not checked. A race whose sweeps did not overlap counts too, as does one whose refusal says
`another sweep`.

The broken cases of 2026-11-25, mended since: tables of a very first export that was killed were called gone
(kill-driver, 2); a signal to the whole group while Ray started ended with a code of Ray's, or after half a minute (ray-
signals); Ray was shut down under the thread of a worker group, which ended the driver (ray-nodes); a table that could
not be read ended in a traceback (call-fails); a trial that held the GIL from its first moment was not timed, and the
one before it was blamed (ray-holds-the-gil; one more was the harness' own impatience); a worker group waited for a node
that had gone, and Ray was shut down under a thread that asked it for its nodes, or so it seems (ray-nodes). The two of
kill-after-kill were a mistake of the harness.

Mended since, too: leaving Ray took the handler of SIGTERM away, so that a second one ended the sweep before its tables
were written. Seen once on a busy machine and not mended: a second signal while Ray starts took 7 s to end the sweep, not
2, as Ray's start holds Python's lock. After the last change and with nothing else running, 24 of 24 held (ray-signals).

Mended since: of a Ray on this machine whose sweep was killed two agents stayed for a minute, and the harness saw them no
more than the program did, since their titles are written over the environment by which both told them. Of the four faults
about variants 25 cases had been counted until 2026-12-01 in which the harness trained each net once more in place of making
something of it: they showed that no row was lost or ran twice, and nothing of how variants are made. They are counted anew
since it makes them. A trial that has met three of 16 deaths is given up, as is documented; the harness then gives the sweep
again with `--retry`.
"""
COLUMNS = ("fault", "times", "lost", "twice", "again", "window", "in flight", "slowest", "broken", "what it is")


@dataclass(frozen=True, slots=True)
class Line:
    """A fault's line."""

    about: str
    figures: Figures = NOTHING
    broken: int = 0
    """Cases in which the invariant did not hold."""


class Ledger:
    """The document's table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, Line] = {}
        if path.exists():
            for text in path.read_text().splitlines():
                self._read(text)

    def times(self, fault: str) -> int:
        """How often a fault has been tried."""
        line = self._lines.get(fault)
        return 0 if line is None else line.figures.times + line.broken

    def add(self, fault: str, about: str, figures: Figures, *, broken: int = 0) -> None:
        old = self._lines.get(fault, Line(about))
        self._lines[fault] = replace(old, about=about, figures=old.figures + figures, broken=old.broken + broken)
        self._path.write_text(self.text())

    def text(self) -> str:
        rows = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
        rows += [_row(fault, line) for fault, line in self._lines.items()]
        return HEAD + "\n" + "\n".join(rows) + "\n"

    @property
    def lines(self) -> Mapping[str, Line]:
        return self._lines

    def _read(self, text: str) -> None:
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if len(cells) == len(COLUMNS) and cells[1].isdecimal():
            counts = [int(cell) for cell in cells[1:7]]
            figures = Figures(*counts, slowest=float(cells[7]))
            self._lines[cells[0]] = Line(cells[9], figures, int(cells[8]))


def _row(fault: str, line: Line) -> str:
    *counts, slowest = astuple(line.figures)
    assert len(counts) == len(fields(Figures)) - 1
    return f"| {fault} | {' | '.join(map(str, counts))} | {slowest:.1f} | {line.broken} | {line.about} |"
