"""Docstrings of this program are plain text with code in backticks; reStructuredText wants `::` before an indented block
and takes a star for emphasis.
"""

import re
from typing import Any, Final

from sphinx.application import Sphinx

STAR: Final = re.compile(r"(?<!`)\*(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)")
"""Outside of backticks."""


def mark_code(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Change the lines of a docstring in place."""
    marked: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r" {4}\S", line) and not before.strip() and not _within_code(marked):
            marked += ["::", ""]
        marked.append(line if line.startswith("    ") else STAR.sub(r"\\*", line))
    lines[:] = marked


def _within_code(lines: list[str]) -> bool:
    """Whether the block that came last is code already."""
    for line in reversed(lines):
        if line.strip():
            return line.startswith("    ")
    return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    app.connect("autodoc-process-docstring", mark_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
