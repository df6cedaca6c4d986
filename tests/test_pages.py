"""The pages of docs/: each is reached from the front page, and every link between files leads somewhere."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.test_documents import DOCUMENTS, FENCED, INDENTED, ROOT, text_of

DOCS: Final = ROOT / "docs"
TOCTREE: Final = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.S | re.M)
LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")


def pages_named_by(page: Path) -> list[str]:
    """The pages in the toctrees of a page, from docs/."""
    entries = [
        line
        for tree in TOCTREE.findall(page.read_text(encoding="utf-8"))
        for line in tree.splitlines()
        if line and not line.startswith(":")
    ]
    named = [found for entry in entries for found in sorted(page.parent.glob(f"{entry}.md"))]
    return [found.relative_to(DOCS).as_posix() for found in named]


def test_every_page_stands_in_one_list_of_the_site() -> None:
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    named = [name for page in pages for name in pages_named_by(DOCS / page)]
    assert sorted([*named, "index.md"]) == pages, "add a page to a toctree of docs/index.md"


def anchors_of(file: Path) -> set[str]:
    """Those that GitHub, and the site, give the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.S | re.M)
    titles = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_links_lead_to_files_and_headings_that_are_there(document: str) -> None:
    prose = INDENTED.sub("", FENCED.sub("", text_of(document)))
    broken = []
    for path, anchor in LINK.findall(prose):
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors_of(file)):
            broken.append(f"{path}#{anchor}")
    assert broken == []
