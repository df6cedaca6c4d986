"""The report as Markdown: what the page says in words and tables, without its figures."""

from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.report.claims import ClaimSection
from orchestrator.report.deployed import ABOUT
from orchestrator.report.page import Board, Page
from orchestrator.report.page_data import DataTable, Field, Number, Tuning
from orchestrator.report.summary import Notice
from orchestrator.report.tables import SHARED_FIRST
from orchestrator.text import one_line, upper_first

ROWS_KEPT: Final = 50
"""Of each table."""
_STEERS: Final = "\\`*_{}[]<>#|~&!"
"""Signs that Markdown, or HTML in it, reads as more than themselves."""


def markdown(page: Page) -> str:
    """The whole text, ending in a newline. Names of users stay text."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in page.counts)
    yield f"# {_text(page.sweep)}"
    yield f"\n{page.trials} planned trials in {page.cell_count} cells ({counts or 'none'}); tables written {page.written}."
    yield from _summary(page)
    for board in page.boards:
        yield f"\n## Leaderboard: {_text(board.dataset)}\n\n{_text(board.summary)}.{_ties(board)}\n"
        yield from _table(board.grid)
    yield from _axes(page)
    if page.claims is not None:
        yield from _claims(page.claims)
    if page.tuning is not None:
        yield from _tuning(page.tuning)
    if page.deployed is not None:
        yield f"\n## Deployment\n\n{ABOUT}\n"
        yield from _table(page.deployed)
    for section in page.measured:
        yield f"\n## {section.title}\n\n{section.about}\n"
        yield from _table(section.table)
    yield "\n## Failures\n"
    if page.problems.rows:
        yield from _table(page.problems)
    else:
        yield "None."
    yield "\n## Environment\n"
    for run in page.invocations[:1]:
        yield from (f"- {name}: {_text(value)}" for name, value in run.facts)
    for source in page.sources:
        yield f"- {source.name}, SHA-256 `{source.sha256}`"


def _summary(page: Page) -> Iterator[str]:
    yield "\n## Summary\n"
    for winner in page.winners:
        interval = f" [{winner.interval}]" if winner.interval else ""
        yield f"- {_text(winner.dataset)}: **{_text(winner.label)}**, {winner.score}{interval}, {_text(winner.title)}."
        yield from (f"  - {_notice(notice)}" for notice in (*winner.ahead, *winner.sure))
        if winner.matters:
            yield f"  - {_text(winner.matters)}"
    for one in page.confirmed:
        yield from (f"{'  ' * (number > 0)}- {_text(line)}." for number, line in enumerate(one.lines))
    if page.notices or page.doubts:
        yield "\n## What to distrust\n"
        yield from (f"- {_notice(notice)}" for notice in (*page.notices, *page.doubts))


def _axes(page: Page) -> Iterator[str]:
    for effects in page.effects:
        yield f"\n## Which axis matters: {_text(effects.dataset)}\n"
        if effects.shares:
            yield f"Share of the variance of {effects.measure}.\n"
            rows = [(one.term, one.share, one.low, one.high) for one in effects.shares]
            yield from _rows(("term", "share", "low", "high"), rows)
        if effects.lacking:
            yield f"\n{_text(effects.lacking)}"
    for ranks in page.ranks:
        yield f"\n## Average ranks: {_text(ranks.axis)}\n"
        if ranks.lacking:
            yield _text(ranks.lacking)
            continue
        yield (
            f"Over {ranks.blocks} data sets; Friedman p = {ranks.p}; levels"
            f" whose ranks differ by more than {ranks.critical_difference:.2f} differ (Nemenyi, 5 %).\n"
        )
        yield from _rows(("level", "average rank"), list(zip(ranks.levels, ranks.average, strict=True)))


def _claims(found: ClaimSection) -> Iterator[str]:
    yield f"\n## Claims\n\n{_text(found.summary)}.\n"
    for claim in found.claims:
        yield f"- **{_text(claim.id)} {_text(claim.verdict_text)}**: {_text(claim.text)}"
        lines = (f"{claim.on}: {claim.arms}", "; ".join(filter(None, (claim.effect, claim.sureness))), *claim.notes)
        yield from (f"  - {_text(line)}" for line in lines if line)
        if claim.decide:
            yield f"  - what would decide it: {_text(claim.decide)}"
    if found.withdrawn:
        yield f"\n{_text(found.withdrawn)}."


def _tuning(found: Tuning) -> Iterator[str]:
    yield f"\n## Tuning\n\n{_text(found.summary)}.\n"
    if found.edges:
        yield "The best value lies at the edge of the range: widen it. Such a cell is not fairly compared yet.\n"
        yield from (f"- {_text(words)}" for words in found.edges)
        if found.edges_left_out:
            yield f"- {found.edges_left_out} more are in the table"
        yield ""
    yield from _table(found.cells)


def _ties(board: Board) -> str:
    tied = any(row[0] == SHARED_FIRST for row in board.grid.rows)
    return f" `{SHARED_FIRST}`: enough seeds do not separate it from the first." if tied else ""


def _table(grid: DataTable) -> Iterator[str]:
    if grid.alike:
        yield f"{_sentence(grid.alike)}\n"
    yield from _rows([column.title for column in grid.columns], [*grid.rows[:ROWS_KEPT], *grid.below])
    left = len(grid.rows) + grid.left_out - ROWS_KEPT
    if left > 0:
        yield f"\n{left} more are in `trials.parquet`."


def _rows(titles: Sequence[str], rows: Sequence[Sequence[Field]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_text, titles))} |"
    yield f"|{' --- |' * len(titles)}"
    yield from (f"| {' | '.join(map(_field, row))} |" for row in rows)


def _field(value: Field) -> str:
    if isinstance(value, tuple):
        mean, low, high = map(_number, value)
        return f"{mean} [{low}, {high}]" if low else mean
    return _number(value) if isinstance(value, float) else "" if value is None else _text(str(value))


def _number(value: Number) -> str:
    return "" if value is None else f"{value:.4g}"


def _sentence(words: str) -> str:
    return f"{_text(upper_first(words))}." if words else ""


def _notice(notice: Notice) -> str:
    return _text(notice.what) + (f" {_code(notice.do)}" if notice.do else "")


def _text(text: str) -> str:
    return "".join(f"\\{sign}" if sign in _STEERS else sign for sign in one_line(text))


def _code(text: str) -> str:
    return f"`{one_line(text).replace('`', ' ')}`"
