"""What the page of 1,000 trials costs: from tables to page, its size, and how long a browser takes to open it.

    python benchmarks/page.py [--json] [--keep FOLDER]

The results are made up, and written as a sweep writes them (`benchmarks/made_up.py`): 30 epochs, ROC curves and confusion
counts of ten classes in each trial. Once as 200 cells of 5 seeds, once as 1,000 cells of one seed, which makes the largest
page; and both with all measurements of each trial. Seconds to the page are of a whole `orch report`, from the start of the
process to its end, and so are those of a processor; those to open are from the navigation until its tables stand and its
scripts are ready, in Chromium, three times, the slowest. Figures are drawn when they are scrolled to, the first of them
together with the library that draws all: how long that takes is told apart.
"""

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.machine import machine
from benchmarks.made_up import write_made_up
from benchmarks.table import markdown
from benchmarks.watched import watched

TO_PAGE_SECONDS: Final = 20.0
MEGABYTES_BESIDE_DATA: Final = 3.0
TO_OPEN_SECONDS: Final = 2.0
SHAPES: Final = {
    "200 cells x 5 seeds": (5, 1, False),
    "1,000 cells x 1 seed": (1, 5, False),
    "200 cells x 5 seeds, measured": (5, 1, True),
    "1,000 cells x 1 seed, measured": (1, 5, True),
}
"""Seeds, how often each cell is there under another name, and whether all five measurements were made."""
MEGABYTES: Final = 8.0


@dataclass(frozen=True)
class Figures:
    """One page."""

    what: str
    to_page_seconds: float
    cpu_seconds: float
    peak_mb: float
    page_mb: float
    data_mb: float
    """Of the page, the values that its charts and tables show."""
    to_open_seconds: float | None
    """None where there is no Chromium."""
    to_first_figure_seconds: float | None
    """From scrolling there."""

    @property
    def within(self) -> bool:
        return (
            self.to_page_seconds <= TO_PAGE_SECONDS
            and self.page_mb - self.data_mb <= MEGABYTES_BESIDE_DATA
            and self.page_mb <= MEGABYTES
            and (self.to_open_seconds or 0) <= TO_OPEN_SECONDS
        )


def measure(folder: Path) -> list[Figures]:
    figures = []
    for number, (what, (seeds, variants, measured)) in enumerate(SHAPES.items()):
        paths = write_made_up(folder / str(number), seeds=seeds, variants=variants, measured=measured)
        run = watched(["-m", "orchestrator", "report", str(paths.root)])
        page = paths.report.read_bytes()
        figures.append(
            Figures(
                what,
                run.seconds,
                run.cpu_seconds,
                run.peak_mb,
                len(page) / 1e6,
                _data(page) / 1e6,
                *(_opened(paths.report) or (None, None)),
            )
        )
    return figures


def _data(page: bytes) -> int:
    """Bytes of the values that the page embeds."""
    _, after = page.split(b'id="page-data">')
    return after.index(b"</script>")


def _opened(page: Path) -> tuple[float, float] | None:
    """Seconds until it stands, and from scrolling to the first figure until that does."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return None
    from playwright.sync_api import sync_playwright

    seconds, drawn = [], []
    with sync_playwright() as playwright:
        for _ in range(3):
            chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            tab = chromium.new_page(viewport={"width": 1280, "height": 900})
            began = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector("html[data-ready]", state="attached")
            seconds.append(time.perf_counter() - began)
            figure = tab.locator(".chart").first
            began = time.perf_counter()
            figure.scroll_into_view_if_needed()
            figure.locator(".main-svg").first.wait_for()
            drawn.append(time.perf_counter() - began)
            chromium.close()
    return max(seconds), max(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--keep", type=Path, help="write the results here, and leave them")
    given = parser.parse_args()
    where = machine()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        figures = measure(given.keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder))
    if given.json:
        print(json.dumps({"machine": where, "figures": [asdict(one) for one in figures]}, indent=2))
    else:
        rows = [
            (
                one.what,
                f"{one.to_page_seconds:.1f}",
                f"{one.cpu_seconds:.1f}",
                f"{one.peak_mb:.0f}",
                f"{one.page_mb:.2f}",
                f"{one.data_mb:.2f}",
                _shown(one.to_open_seconds),
                _shown(one.to_first_figure_seconds),
            )
            for one in figures
        ]
        limits = (
            "at most",
            f"{TO_PAGE_SECONDS:.0f}",
            "",
            "",
            f"{MEGABYTES_BESIDE_DATA:.0f} + data, {MEGABYTES:.0f}",
            "",
            f"{TO_OPEN_SECONDS:.0f}",
            "",
        )
        print(
            markdown(
                (
                    *("1,000 trials", "tables to page, s", "of a CPU, s", "peak MB", "page, MB", "data, MB"),
                    *("opens in, s", "first figure, s"),
                ),
                [*rows, limits],
            )
        )
        print(f"\n{where}")
    raise SystemExit(not all(one.within for one in figures))


def _shown(seconds: float | None) -> str:
    return "no Chromium" if seconds is None else f"{seconds:.1f}"


if __name__ == "__main__":
    main()
