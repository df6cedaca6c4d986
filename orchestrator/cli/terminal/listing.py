"""Tables of a command: on a terminal as many columns as it has room for and nothing cut; for a program plain tabs."""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final

from orchestrator.cli.terminal import console, say
from orchestrator.text import one_line
from trainables import AXES

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console
    from rich.table import Table

_WHOLE: Final = frozenset({"trial_id", "status"})
"""Columns that are never folded: an id in two pieces cannot be copied."""
_LEAST: Final = 9
"""Signs that a folded column keeps."""
_PARAMETERS: Final = re.compile(r"\([^()]*(\([^()]*\)[^()]*)*\)")
_LEVELS: Final = re.compile(r"[^+]*\+|[^+]+$")
_WORDS: Final = re.compile(r"[^,(_ -]*[,(_ -]|[^,(_ -]+$")
"""A cell in pieces, each with the sign behind which a line may be broken."""
_LATER: Final = (
    *("total_seconds", "test_balanced_accuracy", "test_f1_macro", "test_loss"),
    *("spread", "validation", "test_f1"),
)
"""What is left out first where there is no room, and said."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    numeric: bool
    cells: tuple[str, ...]

    @property
    def header(self) -> str:
        """On two lines where it is longer than what stands below it."""
        longest = max(map(len, self.cells), default=0)
        if len(self.name) <= longest or "_" not in self.name:
            return self.name
        breaks = [place for place, sign in enumerate(self.name) if sign == "_"]
        middle = min(breaks, key=lambda place: abs(place - len(self.name) / 2))
        return f"{self.name[:middle]}_\n{self.name[middle + 1 :]}"


def print_listing(
    rows: "pa.Table", *, chosen: bool = False, file: IO[str] | None = None, width: int | None = None
) -> None:
    """Print a table. chosen: whether the user has named its columns, of which then none is left out.

    width: of the terminal, where `file` is none. A program reads a header and a line for each row, divided by tabs.
    """
    file = file or sys.stdout
    columns = _columns(rows)
    if width is None and not file.isatty():
        lines = zip(*(column.cells for column in columns), strict=True)
        say("\n".join("\t".join(line) for line in [[column.name for column in columns], *lines]))
        return
    terminal = console(file, width)
    said: list[str] = []
    if not chosen:
        columns, said = _without_constants(columns, rows.num_rows)
    if (missing := _width(columns) - terminal.width) > 0 and not chosen:
        columns, shortened = _shortened(columns)
        said += shortened
        missing = _width(columns) - terminal.width
    left_out: list[str] = []
    while missing > 0 and not chosen and (column := _least(columns)) is not None:
        columns = [other for other in columns if other is not column]
        left_out.append(column.name)
        missing = _width(columns) - terminal.width
    _print(terminal, columns, max(0, missing), said, left_out)


def _columns(rows: "pa.Table") -> list[_Column]:
    from orchestrator.results.query import plain_rows

    plain = plain_rows(rows)
    return [
        _Column(
            field.name,
            str(field.type) in {"int64", "double"},
            tuple(one_line(shown_value(field.name, row[field.name])) for row in plain),
        )
        for field in rows.schema
    ]


def shown_value(name: str, value: Any) -> str:
    """A value of a table, for display."""
    from orchestrator.plan.tuned import shown_text

    if value is None:
        return ""
    if name == "tuned":
        return shown_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if name.endswith("seconds") else f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"
    return str(value)


def _without_constants(columns: Sequence[_Column], count: int) -> tuple[list[_Column], list[str]]:
    """The columns that tell rows apart and those with figures; and what all rows have, in words."""
    if count < 2:
        return list(columns), []
    constant = [column for column in columns if _is_constant(column)]
    if len(constant) == len(columns):
        return list(columns), []
    told = [column for column in constant if column.name != "tuned"]
    words = ", ".join(f"{column.name} {next(filter(None, column.cells), 'none')}" for column in told)
    return [column for column in columns if column not in constant], [f"all {count:,}: {words}"] if told else []


def _is_constant(column: _Column) -> bool:
    """Of what was tuned only that nothing was. A baseline below the cells has no levels, which tells no cells apart."""
    if column.name == "tuned":
        return not any(column.cells)
    is_figure = column.numeric and column.name not in {"seed", "repetition"}
    cells = set(column.cells) - ({""} if column.name in AXES else set())
    return not is_figure and column.name != "trial_id" and len(cells) == 1


def _shortened(columns: Sequence[_Column]) -> tuple[list[_Column], list[str]]:
    """The columns with levels in as few words as tell them apart in each, and how to read these."""
    found = [_short(column) if column.name in AXES else column for column in columns]
    shorter = [column.name for column, other in zip(found, columns, strict=True) if column is not other]
    return found, [f"shortened: {', '.join(shorter)}; in full with --csv or a wider terminal"] if shorter else []


def _short(column: _Column) -> _Column:
    """Each level without the parameters of its components where no other is called so; of one component alone these."""
    labels = dict.fromkeys(column.cells)
    bare = {label: _PARAMETERS.sub("", label) for label in labels}
    counts = Counter(bare.values())
    short = {label: name if counts[name] == 1 else label for label, name in bare.items()}
    names = set(bare.values())
    if len(names) == 1 and all(label.endswith(")") for label in labels) and "+" not in "".join(names):
        short = {label: label[len(bare[label]) + 1 : -1] for label in labels}
    cells = tuple(short[cell] for cell in column.cells)
    return column if cells == column.cells else replace(column, cells=cells)


def _least(columns: Sequence[_Column]) -> _Column | None:
    """The column that can be done without, if any."""
    by_name = {column.name: column for column in columns}
    return next((by_name[name] for name in _LATER if name in by_name), None)


def _widths(columns: Sequence[_Column]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, [*column.header.split("\n"), *column.cells])) for column in columns]


def _width(columns: Sequence[_Column]) -> int:
    """With a space at both ends, and two between columns."""
    return sum(_widths(columns)) + 2 * len(columns)


def _print(
    terminal: "Console", columns: Sequence[_Column], missing: int, said: Sequence[str], left_out: Sequence[str]
) -> None:
    from rich.text import Text

    widths = _widths(columns)
    foldable = [place for place, column in enumerate(columns) if not column.numeric and column.name not in _WHOLE]
    while missing > 0:
        wide = [place for place in foldable if widths[place] > max(_LEAST, len(columns[place].header))]
        if not wide:
            break
        widths[max(wide, key=lambda place: widths[place])] -= 1
        missing -= 1
    for line in said:
        terminal.print(Text(line, style="dim"), soft_wrap=True)
    narrow = terminal.width
    terminal.width = max(narrow, sum(widths) + 2 * len(columns))  # the terminal itself breaks lines that are longer
    terminal.print(_table(columns, widths))
    terminal.width = narrow
    if left_out:
        names = ", ".join(left_out)
        terminal.print(Text(f"no room for {names}; --columns chooses what is shown", style="dim"), soft_wrap=True)


def _table(columns: Sequence[_Column], widths: Sequence[int]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, padding=(0, 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            Text(column.header), justify="right" if column.numeric else "left", width=width, overflow="fold"
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(folded(cell, width)) for cell, width in zip(row, widths, strict=True)))
    return table


def folded(cell: str, width: int) -> str:
    """In lines of at most this width, broken between levels where that is enough (`dropout+` and `weight_decay`), else
    behind a sign that ends a word. What has none is left for the table to cut.
    """
    from rich.cells import cell_len

    if cell_len(cell) <= width:
        return cell
    levels = _LEVELS.findall(cell)
    parts = chain.from_iterable([level] if cell_len(level) <= width else _WORDS.findall(level) for level in levels)
    lines = [""]
    for part in parts:
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)
