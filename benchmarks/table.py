"""Markdown tables whose columns line up."""

from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The first column to the left, the others, which are figures, to the right."""
    cells = [[str(value) for value in row] for row in rows]
    widths = [max(3, *(len(row[column]) for row in (header, *cells))) for column in range(len(header))]
    rule = [("-" * width if column == 0 else "-" * (width - 1) + ":") for column, width in enumerate(widths)]
    return "\n".join(_line(row, widths) for row in (header, rule, *cells))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        value.ljust(width) if column == 0 else value.rjust(width)
        for column, (value, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"
