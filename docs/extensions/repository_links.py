"""Links to files beside docs/, which are right on GitHub as they stand: on the site they lead to the page that shows the
file, else to the repository. A link to no file stays as it is written, and Sphinx warns of it as of any broken link.
"""

import os
import re
from functools import partial
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
SHOWN_BY: Final = {
    "docs/adr": "docs/adr/README.md",
    "README.md": "docs/index.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "SECURITY.md": "docs/security.md",
    "CHANGELOG.md": "docs/changes.md",
    "CODE_OF_CONDUCT.md": "docs/conduct.md",
}
"""A file or folder of the repository to the page that shows it."""
LINK: Final = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)(#[^)\s]*)?(?=\))")
"""Where a Markdown link leads, if it is a path."""


def relinked(text: str, written_in: Path, page: Path, repository: str) -> str:
    """The text of a file as a page of the site shows it. written_in: what its links start from. page: where it is shown."""
    return LINK.sub(partial(_target, written_in.parent, page.parent, repository), text)


def _target(start: Path, folder: Path, repository: str, link: re.Match[str]) -> str:
    path, heading = link[1], link[2] or ""
    file = start.joinpath(path).resolve()
    if not file.exists() or not file.is_relative_to(ROOT):
        return link[0]
    name = file.relative_to(ROOT).as_posix()
    if name in SHOWN_BY:
        file = ROOT / SHOWN_BY[name]
    if file.is_relative_to(DOCS):
        return f"{os.path.relpath(file, folder)}{heading}"
    return f"{repository}{'tree' if file.is_dir() else 'blob'}/main/{name}{heading}"


def _listen(app: Sphinx, config: Config) -> None:
    repository = config.html_theme_options["source_repository"]

    def page_of(docname: str) -> Path:
        return DOCS / f"{docname}.md"

    def read(app: Sphinx, docname: str, source: list[str]) -> None:
        source[0] = relinked(source[0], page_of(docname), page_of(docname), repository)

    def include(app: Sphinx, path: Path, docname: str, source: list[str]) -> None:
        source[0] = relinked(source[0], (DOCS / path).resolve(), page_of(docname), repository)

    app.connect("source-read", read)
    app.connect("include-read", include)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    app.connect("config-inited", _listen)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
