"""A page as a real browser shows it, that of this machine: nothing is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")


@contextmanager
def opened(file: Path, **context: Any) -> Iterator[Page]:
    """Fails where the console has anything to say, a script raises, or anything is asked for beside the file."""
    damage: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **context})
        page.on("console", lambda message: damage.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: damage.append(str(error)))
        page.on("dialog", lambda dialog: damage.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: damage.append(request.url) if request.url != file.as_uri() else None)
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        yield page
        browser.close()
    assert damage == []


def drawn(page: Page, kind: str, at: int = 0) -> Locator:
    """A figure, once it has come into view and Plotly has drawn it as the controls now say."""
    figure = page.locator(f'[data-figure="{kind}"][data-at="{at}"]')
    figure.scroll_into_view_if_needed()
    figure.locator(".main-svg").first.wait_for()
    page.wait_for_function("figure => figure.stale === false", arg=figure.element_handle())
    return figure


def traces(page: Page, kind: str, at: int = 0) -> list[dict[str, Any]]:
    """What a figure shows, as Plotly has it."""
    return drawn(page, kind, at).evaluate("figure => JSON.parse(JSON.stringify(figure.data))")


def rows(table: Locator) -> list[list[str]]:
    """The text of each field of a table's body."""
    return table.locator("tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.innerText))"
    )
