"""The page as a real browser shows it, while its sweep goes on."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from orchestrator.store.journal import Journal
from orchestrator.store.lock import ResultsLock
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.report.browser import CHROMIUM, needs_a_browser
from tests.orchestrator.sample import Cell, complete, epochs, fail, plan, start
from tests.orchestrator.watch.served import served

pytestmark = needs_a_browser

HOSTILE = "<img src=x onerror=alert(1)>"
PLAIN = Cell(model="mlp")
STRANGE = Cell(model=HOSTILE, regularizer="</script><script>alert(2)</script>")


@contextmanager
def shown(address: str, **context: Any) -> Iterator[Page]:
    """Fails where the console has anything to say, a script raises, a dialog opens or anything is asked for elsewhere."""
    damage: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **context})
        page.set_default_timeout(60_000)
        page.on("console", lambda message: damage.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: damage.append(str(error)))
        page.on("dialog", lambda dialog: damage.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else damage.append(asked.url))
        page.goto(address)
        page.wait_for_selector("html[data-ready]", state="attached")
        yield page
        assert damage == []
        browser.close()


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[tuple[ResultsPaths, Journal]]:
    """A sweep under way with names that would be markup: one trial ended, one runs, one failed."""
    paths = ResultsPaths(tmp_path / "demo")
    with closing(Journal.create_or_open(paths.journal)) as journal, ResultsLock(paths):
        plan(journal, (PLAIN, STRANGE), seeds=(0, 1), name=HOSTILE)
        complete(journal, STRANGE, 0, accuracy=0.9)
        start(journal, STRANGE, 1)
        epochs(journal, STRANGE, 1, [0.5, 0.6])
        fail(journal, PLAIN, 0, reason=f"RuntimeError: {HOSTILE}\nsecond line")
        journal.commit()
        yield paths, journal


def test_names_are_text_and_the_page_follows_the_sweep(writing: tuple[ResultsPaths, Journal]):
    paths, journal = writing
    with served(paths.root) as server, shown(server.address) as page:
        expect(page.locator("#sweep")).to_have_text(HOSTILE)
        expect(page.locator("#headline")).to_contain_text("2 of 4 trials done (50 %)")
        slot = page.locator("#slots tbody tr")
        expect(slot.locator("td").nth(1)).to_have_text("0.6000")
        expect(slot.locator("td").nth(2)).to_have_text("2 / 3")
        expect(slot.locator("td").nth(3)).to_have_text(f"{HOSTILE} · {STRANGE.regularizer} · seed 1")
        expect(page.locator("#leaderboard tbody tr td").nth(2)).to_have_text(HOSTILE)
        expect(page.locator("#failures td.reason")).to_have_text(f"RuntimeError: {HOSTILE}\nsecond line")
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 3
        expect(page.locator("#curves path.grows")).to_have_count(1)
        epochs(journal, STRANGE, 1, [0.5, 0.6, 0.7])
        complete(journal, PLAIN, 1, accuracy=0.95)
        journal.commit()
        expect(slot.locator("td").nth(5)).to_have_text("evaluating")
        expect(page.locator("#headline")).to_contain_text("3 of 4 trials done (75 %)")
        expect(page.locator("#leaderboard tbody tr td").nth(1)).to_have_text("0.9500")


def test_filters_hold_for_every_part(writing: tuple[ResultsPaths, Journal]):
    paths, _ = writing
    with served(paths.root) as server, shown(server.address) as page:
        page.get_by_label("model").select_option("mlp")
        expect(page.locator("#slots .empty")).to_have_text("No slot runs a trial within the filters.")
        expect(page.locator("#failures tbody tr")).to_have_count(1)
        expect(page.locator("#leaderboard tbody tr")).to_have_count(0)
        page.get_by_label("model").select_option(HOSTILE)
        expect(page.locator("#failures .empty")).to_have_text("No trial has failed within the filters.")
        expect(page.locator("#leaderboard tbody tr")).to_have_count(1)
        page.get_by_role("button", name="All", exact=True).click()
        expect(page.locator("#failures tbody tr")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 1200, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(writing: tuple[ResultsPaths, Journal], width: int, scheme: str):
    paths, _ = writing
    viewport = {"width": width, "height": 900}
    with served(paths.root) as server, shown(server.address, viewport=viewport, color_scheme=scheme) as page:
        expect(page.locator("#curves svg.growing")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_says_when_there_is_nothing_and_when_its_server_has_gone(tmp_path: Path):
    with served(tmp_path / "nowhere") as server, shown(server.address) as page:
        expect(page.locator("#state")).to_have_text("no results yet")
        expect(page.locator("#problem")).to_have_text(f"{tmp_path}/nowhere is not there yet: a sweep makes it")
