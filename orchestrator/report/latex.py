"""The leaderboards and the claims of a report as LaTeX, to be taken in with `\\input`: tables of booktabs."""

from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.report.claims import ClaimSection
from orchestrator.report.latex_text import escaped
from orchestrator.report.markdown import ROWS_KEPT
from orchestrator.report.page import Board, Page
from orchestrator.report.page_data import Column, Field
from orchestrator.report.summary import figure_text
from orchestrator.report.tables import SEEDS, SHARED_FIRST, P
from orchestrator.text import one_line

_NO_AXES: Final = frozenset({"trials"})
"""Columns of text that a paper's table does without: the caption says what broke."""
_FIRST: Final = frozenset({"1", SHARED_FIRST})


def latex(page: Page) -> str:
    """The whole text, ending in a newline. Names of users stay text."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"% {one_line(page.sweep)}: tables written {page.written}. Needs \\usepackage{{booktabs}}."
    for notice in page.notices:
        yield f"% {one_line(notice.what)}"
    for number, board in enumerate(page.boards, start=1):
        yield from _leaderboard(page, board, f"tab:leaderboard-{number}")
    if page.claims is not None and page.claims.claims:
        yield from _claims(page.claims)


def _leaderboard(page: Page, board: Board, label: str) -> Iterator[str]:
    titles = [column.title for column in board.grid.columns]
    # a paper names the rows before it gives their scores, where the page has the score in sight first
    order = {"place": 0, "text": 1}
    places = [at for at, column in enumerate(board.grid.columns) if _is_kept(column)]
    kept = sorted(places, key=lambda at: order.get(board.grid.columns[at].kind, 2))
    columns = [board.grid.columns[at] for at in kept]
    rows = board.grid.rows[:ROWS_KEPT]
    measure = next(column.title for column in columns if column.kind == "interval")
    every = len(board.grid.rows) + board.grid.left_out
    told = (
        "Trials have still to run: scores are on validation, and cells are not compared."
        if page.open
        else "Bold: the first, and those that enough seeds do not separate from it; others are told from it where their p"
        " is at most 0.05 (paired by seed, after Holm)."
    )
    some = f" The best {len(rows)} of {every} cells are listed." if len(rows) < every else ""
    caption = (
        f"Leaderboard of {board.dataset} ({page.sweep}): {measure}, mean over n seeds with its 95 % interval, ranked by"
        f" validation; {board.summary}. {told}{some}"
    )
    place = titles.index("place")
    body = [
        [
            _field(row[at], column, bold=not page.open and row[place] in _FIRST)
            for at, column in zip(kept, columns, strict=True)
        ]
        for row in (*rows, *board.grid.below)
    ]
    alignment = "".join("l" if column.kind in {"text", "interval"} else "r" for column in columns)
    yield from _table(caption, label, alignment, [column.title for column in columns], body)


def _is_kept(column: Column) -> bool:
    if column.kind == "text":
        return column.title not in _NO_AXES
    return column.kind in {"place", "interval"} or column.title in {SEEDS, P}


def _field(value: Field, column: Column, *, bold: bool) -> str:
    if isinstance(value, tuple):
        mean, low, high = value
        if mean is None:
            return "--"
        text = f"\\textbf{{{_number(mean)}}}" if bold else _number(mean)
        return text if low is None or high is None else f"{text} {{[}}{_number(low)}, {_number(high)}]"
    if value is None:
        return "--"
    if isinstance(value, float):
        return r"\ensuremath{<}0.001" if column.title == P and value < 0.001 else _number(value)
    return escaped(str(value))


def _number(value: float) -> str:
    return figure_text(value).replace("-", r"\ensuremath{-}")


def _claims(section: ClaimSection) -> Iterator[str]:
    body = [
        [
            escaped(claim.id),
            escaped(claim.text),
            escaped(claim.verdict_text),
            escaped("; ".join(filter(None, (f"{claim.on}: {claim.arms}", claim.effect, claim.sureness)))),
        ]
        for claim in section.claims
    ]
    widths = "lp{0.24\\linewidth}p{0.16\\linewidth}p{0.46\\linewidth}"
    caption = f"What was claimed beforehand, and what the results say. {section.summary}. {section.withdrawn}".rstrip()
    yield from _table(caption, "tab:claims", widths, ["claim", "text", "verdict", "evidence"], body)


def _table(
    caption: str, label: str, alignment: str, titles: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[str]:
    """rows: escaped; all else as it stands."""
    yield "\n\\begin{table}"
    yield "  \\centering\\small"
    yield f"  \\caption{{{escaped(caption)}}}"
    yield f"  \\label{{{label}}}"
    yield f"  \\begin{{tabular}}{{{alignment}}}"
    yield "    \\toprule"
    yield f"    {' & '.join(map(escaped, titles))} \\\\"
    yield "    \\midrule"
    yield from (f"    {' & '.join(row)} \\\\" for row in rows)
    yield "    \\bottomrule"
    yield "  \\end{tabular}"
    yield "\\end{table}"
