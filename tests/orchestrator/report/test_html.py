"""The file: what a name may do in it, what it lets a browser run, and what a reader finds in a real one."""

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import expect

from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.report.browser import drawn, needs_a_browser, opened, rows, traces
from tests.orchestrator.sample import Cell, write_sample

EVIL = "<script>alert(1)</script>%{y}"
EVIL_CELLS = [
    Cell(model=model, optimizer=optimizer)
    for model in (EVIL, "cnn", "mlp")
    for optimizer in ("sgd lr=0.1", "<b>adam</b>")
]
WAVE = [0.01 * (seed % 5) for seed in range(6)]


class Elements(HTMLParser):
    """Names and attributes of the elements, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.inline.append((tag, ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            tag, before = self.inline[-1]
            self.inline[-1] = (tag, before + data)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render(read_page(write_sample(tmp_path_factory.mktemp("results") / "demo")))


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 6 cells of 6 seeds with hostile names; `cnn` is the best model, and one trial of `mlp` diverged."""
    folder = tmp_path_factory.mktemp("results")
    base = {EVIL: 0.7, "cnn": 0.9, "mlp": 0.8}
    scores = {
        cell: [base[cell.model] + wave + 0.001 * ("adam" in cell.optimizer) for wave in WAVE] for cell in EVIL_CELLS
    }
    scores[EVIL_CELLS[4]][5] = "diverged"
    paths = write(folder / "demo", scores, "better: {model: cnn}, than: {model: mlp}, on: test_accuracy")
    page = replace(read_page(paths), sweep=EVIL)
    (folder / "report.html").write_text(render(page), encoding="utf-8")
    return folder / "report.html"


def test_what_users_wrote_stays_text(text: str):
    assert sum(tag == "script" for tag, _ in Elements(text).found) == 3
    assert "<script>alert" not in text
    assert "<b>three</b>" not in text


def test_nothing_is_fetched(text: str):
    for tag, attributes in Elements(text).found:
        assert tag not in {"link", "img", "iframe", "object", "embed"}
        assert not {"src", "action", "srcset"} & attributes.keys()
        assert not (attributes.get("href") or "#").startswith(("http", "//"))


def test_only_our_own_scripts_and_styles_may_run(text: str):
    elements = Elements(text)
    policy = next(attributes["content"] for tag, attributes in elements.found if "http-equiv" in attributes)
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    assert "unsafe" not in allowed["script-src"] + allowed["style-src-elem"]
    data, *scripts = [content for tag, content in elements.inline if tag == "script"]
    json.loads(data)
    digests = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    assert allowed["script-src"].split(" ") == digests


def test_every_chart_and_table_has_a_name_for_those_who_cannot_see_it(text: str):
    elements = Elements(text).found
    charts = [attributes for _, attributes in elements if attributes.get("class") == "chart"]
    kinds = {attributes["data-figure"] for attributes in charts}
    assert kinds == {"heat", "curves", "side-by-side", "roc", "confusion", "gap", "costs"}, (
        "two seeds say nothing of effects and ranks"
    )
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    assert sum(tag == "table" for tag, _ in elements) == sum(tag == "caption" for tag, _ in elements)


@needs_a_browser
def test_a_browser_filters_and_sorts_without_a_word_or_a_request(evil: Path):
    with opened(evil) as page:
        board = page.locator('[data-table="boards.0.grid"]')
        assert [row[2] for row in rows(board)] == ["cnn", "cnn", "mlp", "mlp", EVIL, EVIL], (
            "what diverged counts as chance"
        )
        assert page.locator(".claim .verdict").all_inner_texts() == ["supported"]

        board.get_by_role("button", name="model").click()
        assert [row[2] for row in rows(board)] == [EVIL, EVIL, "cnn", "cnn", "mlp", "mlp"]
        board.get_by_role("button", name="test accuracy").click()
        board.get_by_role("button", name="test accuracy").click()
        means = [float(row[1].split(" ")[0]) for row in rows(board)]
        assert means == sorted(means, reverse=True)
        assert board.locator("th[aria-sort=descending]").inner_text().startswith("test accuracy")

        # intervals are drawn on one scale, whatever the text beside them
        assert (
            len(set(board.locator(".whisker").evaluate_all("all => all.map(one => one.getBoundingClientRect().x)")))
            == 1
        )

        board.get_by_role("searchbox").fill("diverged")
        assert [row[2] for row in rows(board)] == ["mlp"]
        expect(board.locator("tfoot tr")).to_contain_text("no trial")
        board.get_by_role("searchbox").fill("")

        page.locator('[data-filter="1"]').select_option(label=EVIL)
        assert [row[2] for row in rows(board)] == [EVIL, EVIL]
        assert page.locator("[data-filtered]").inner_text() == "2 of 6 cells"
        (heat,) = traces(page, "heat")
        assert len(heat["z"]) == 1
        curves = [trace for trace in traces(page, "curves") if trace.get("showlegend") is not False]
        assert len(curves) == 2
        page.get_by_role("button", name="show all").click()
        assert len(rows(board)) == 6


@needs_a_browser
def test_the_library_of_the_charts_is_read_when_the_first_of_them_is_drawn(evil: Path):
    with opened(evil, viewport={"width": 1280, "height": 200}) as page:
        assert page.evaluate("typeof Plotly") == "undefined"
        drawn(page, "heat")
        assert page.evaluate("typeof Plotly") == "object"
        drawn(page, "gap")
        assert page.locator("#library").count() == 0


@needs_a_browser
def test_a_filter_that_leaves_a_data_set_without_cells_empties_its_board_and_figures(tmp_path: Path):
    """mnist has one model, so that its board has no column for models."""
    scores = {
        Cell(dataset="digits", model="mlp"): [0.8 + wave for wave in WAVE],
        Cell(dataset="digits", model="cnn"): [0.9 + wave for wave in WAVE],
        Cell(dataset="mnist", model="mlp"): [0.7 + wave for wave in WAVE],
        Cell(dataset="mnist", model="mlp", optimizer="adam"): [0.6 + wave for wave in WAVE],
    }
    (tmp_path / "report.html").write_text(render(read_page(write(tmp_path / "demo", scores))), encoding="utf-8")
    with opened(tmp_path / "report.html") as page:
        page.locator('[data-filter="1"]').select_option(label="cnn")
        assert page.locator("[data-filtered]").inner_text() == "1 of 4 cells"
        digits, mnist = page.locator("#leaderboard [data-dataset]").all()
        assert (len(rows(digits)), len(rows(mnist))) == (1, 0)
        costs = page.locator('[data-figure="costs"][data-at="1"]')
        costs.scroll_into_view_if_needed()
        expect(costs).to_have_text("No cell within the filters has a score and this cost.")
        page.get_by_role("button", name="show all").click()
        expect(costs.locator(".plot-container")).to_have_count(1)
        expect(costs).not_to_contain_text("No cell")


@needs_a_browser
def test_hostile_names_are_read_and_nothing_more(evil: Path):
    with opened(evil) as page:
        assert page.locator("h1").inner_text() == EVIL
        for kind in ("heat", "curves", "roc", "confusion", "gap", "costs", "effects"):
            drawn(page, kind)
        assert page.locator("svg script, main b:has-text('adam')").count() == 0
        ticks = page.locator('[data-figure="heat"] .ytick').all_text_contents()
        assert EVIL in ticks
        lines = traces(page, "curves")
        its = next(at for at, line in enumerate(lines) if line.get("hovertemplate", "").startswith("&lt;script"))
        curves = page.locator('[data-figure="curves"]')
        curves.evaluate("(target, at) => Plotly.Fx.hover(target, [{ curveNumber: at, pointNumber: 0 }])", its)
        assert EVIL in (curves.locator(".hoverlayer").text_content() or "")


@needs_a_browser
def test_what_varies_in_one_axis_is_a_heat_map_of_one_column(tmp_path: Path):
    scores = {Cell(model="cnn"): [0.9 + wave for wave in WAVE], Cell(model="mlp"): [0.8 + wave for wave in WAVE]}
    page = read_page(write(tmp_path / "demo", scores))
    assert [first.matters.split(" [")[0] for first in page.winners] == ["model explains 92%"]
    (tmp_path / "report.html").write_text(render(page), encoding="utf-8")
    with opened(tmp_path / "report.html") as shown:
        (heat,) = traces(shown, "heat")
        assert [len(row) for row in heat["z"]] == [1, 1]


@needs_a_browser
def test_figures_show_the_cells(evil: Path):
    with opened(evil) as page:
        (heat,) = traces(page, "heat")
        assert heat["z"][1][0] == pytest.approx(0.9 + sum(WAVE) / 6)
        front, *points = traces(page, "costs")
        assert len(front["x"]) == 1  # all cost the same: the best alone is on the front
        assert sum(len(trace["x"]) for trace in points) == 6
        page.locator('[data-control="heat-value"]').select_option("broken")
        assert traces(page, "heat")[0]["z"][2][0] == pytest.approx(1 / 6)


@needs_a_browser
def test_average_ranks_are_drawn(tmp_path: Path):
    scores = {
        Cell(dataset=f"set{place}", model=model, content=f"{place}" * 32): [0.8 + 0.01 * turn, 0.81 + 0.01 * turn]
        for place in range(5)
        for turn, model in enumerate(("mlp", "cnn", "resnet"))
    }
    (tmp_path / "report.html").write_text(render(read_page(write(tmp_path / "demo", scores))), encoding="utf-8")
    with opened(tmp_path / "report.html") as page:
        assert traces(page, "ranks")[0]["x"] == [1, 2, 3]


@needs_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_themes(evil: Path, scheme: str):
    with opened(evil, viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator('[data-table="boards.0.grid"] th').nth(1).inner_text().startswith("test accuracy")
        light = "rgb(251, 250, 248)"
        assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == light) == (scheme == "light")
        page.get_by_role("button", name="Light or dark").click()
        assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == light) == (scheme == "dark")


@needs_a_browser
@pytest.mark.parametrize("width", [390, 1200, 1920])
def test_the_score_is_seen_without_scrolling(evil: Path, width: int):
    with opened(evil, viewport={"width": width, "height": 900}) as page:
        board = page.locator('[data-table="boards.0.grid"]')
        frame, score = board.locator(".scroll").bounding_box(), board.locator("th").nth(1).bounding_box()
        assert frame is not None and score is not None
        assert board.locator("th").nth(1).inner_text().startswith("test accuracy")
        assert score["x"] + score["width"] <= frame["x"] + frame["width"]


@needs_a_browser
def test_on_paper_all_figures_are_drawn_and_no_control_is_left(evil: Path):
    with opened(evil) as page:
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        figures = page.locator("[data-figure]")
        assert figures.locator(".main-svg").count() >= figures.count()
        assert not page.locator(".filters, .controls, nav").locator("visible=true").count()


@needs_a_browser
def test_a_page_on_which_there_is_nothing_to_draw_opens_too(tmp_path: Path):
    paths = write(tmp_path / "demo", {EVIL_CELLS[0]: [None]})
    (tmp_path / "report.html").write_text(render(read_page(paths)), encoding="utf-8")
    with opened(tmp_path / "report.html") as page:
        summary = page.locator("#summary").inner_text()
        assert "No trial has completed yet" in summary
        assert "1 of 1 trials has still to run" in summary
