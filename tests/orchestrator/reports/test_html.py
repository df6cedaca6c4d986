import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.errors import DamagedResults
from orchestrator.reports.html import read_page, render, write_report
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator.sample import (
    CELLS,
    CNN_SGD,
    MLP_SGD,
    SKIPPED,
    Cell,
    complete,
    fail,
    plan,
    write_regression,
    write_sample,
)


class Elements(HTMLParser):
    """Names and attributes of the elements, and the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return write_sample(tmp_path_factory.mktemp("results") / "demo")


@pytest.fixture(scope="module")
def text(demo: ResultsPaths) -> str:
    return render(read_page(demo))


def data(text: str) -> dict[str, list]:
    return json.loads(re.search(r'id="page-data">(.*?)</script>', text, re.DOTALL)[1])


def test_cells_have_mean_spread_and_number_of_seeds(text: str):
    cells = data(text)["cells"]
    titles = [column["title"] for column in cells["columns"]]
    found = [dict(zip(titles, row, strict=True)) for row in cells["rows"]]
    assert [(cell["model"], cell["test accuracy (mean)"], cell["n"]) for cell in found] == [
        ("cnn", 0.99, 1),
        ("mlp", 0.96, 2),
        ("mlp", 0.92, 2),
        ("resnet", 0.8, 1),
        ("cnn", None, 0),
        ("lstm", None, 0),
    ]
    assert found[2]["± sd"] == pytest.approx(0.0282843, abs=1e-6)  # of 0.90 and 0.94
    assert found[0]["± sd"] is None
    assert found[0]["trials"] == "1 completed, 1 diverged"


def test_the_heat_map_tells_why_a_field_is_empty(text: str):
    (heat,) = data(text)["heat_maps"]
    assert heat["rows"] == ["mlp", "cnn", "resnet", "lstm"]
    assert heat["columns"] == ["sgd lr=0.1", "adam lr=0.003"]
    assert heat["values"] == [[0.92, 0.96], [0.99, None], [0.8, None], [None, None]]
    assert heat["notes"][0][0] == "0.9200 ± 0.0283, 2 seeds (2 completed)"
    assert heat["notes"][1][1] == "1 failed, 1 out_of_memory"
    assert heat["notes"][3] == ["2 skipped", "not in the grid"]


def test_curves_are_means_over_completed_seeds_best_first(text: str):
    (curves,) = data(text)["curves"]
    assert [curve["label"].split(" · ")[0] for curve in curves["curves"]] == ["cnn", "mlp", "mlp", "resnet"]
    sgd = curves["curves"][2]
    assert sgd["epochs"] == [1, 2, 3]
    assert sgd["mean"] == pytest.approx([0.72, 0.82, 0.92])
    assert sgd["high"] == pytest.approx([0.74, 0.84, 0.94])
    assert curves["curves"][0]["seeds"] == 1  # the other one diverged


def test_everything_that_did_not_complete_has_its_reason(text: str):
    rows = {(row[1], row[4]): row for row in data(text)["problems"]["rows"]}
    assert rows["cnn", "diverged"][5] == "the loss became NaN in epoch 2"
    assert rows["lstm", "skipped"][5:7] == [SKIPPED, "0, 1"]
    assert {status for _, status in rows} == {"diverged", "failed", "out_of_memory", "cancelled", "skipped"}


def test_the_confusion_matrix_is_that_of_the_best_trial(text: str):
    (matrix,) = data(text)["confusions"]
    assert matrix["trial_id"] == CNN_SGD.trial_id(0)
    assert matrix["counts"] == [[97, 3, 0], [0, 100, 0], [0, 0, 100]]


def test_regression_is_shown_by_its_squared_error(tmp_path: Path):
    found = data(render(read_page(write_regression(tmp_path / "numbers"))))
    assert found["heat_maps"][0]["values"] == [[0.5], [0.25]]
    assert not found["heat_maps"][0]["higher_is_better"]
    assert found["cells"]["rows"][0][1] == "cnn"
    assert found["curves"][0]["curves"][0]["mean"] == [0.5, 0.25]
    assert found["confusions"] == []


def test_what_users_wrote_stays_text(text: str):
    scripts = [attributes for tag, attributes in Elements(text).found if tag == "script"]
    assert len(scripts) == 3
    assert "<script>alert" not in text
    assert "<b>three</b>" not in text


def test_nothing_is_fetched(text: str):
    for tag, attributes in Elements(text).found:
        assert tag not in {"link", "img", "iframe", "object", "embed"}
        assert not {"src", "action", "srcset"} & attributes.keys()
        assert not (attributes.get("href") or "#").startswith(("http", "//"))
    assert "default-src 'none'" in text


def test_every_chart_and_table_has_a_name_for_those_who_cannot_see_it(text: str):
    elements = Elements(text).found
    charts = [attributes for _, attributes in elements if attributes.get("class") == "chart"]
    assert len(charts) == 3
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    assert sum(tag == "table" for tag, _ in elements) == sum(tag == "caption" for tag, _ in elements)


def test_a_sweep_in_which_nothing_completed_still_has_its_page(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "bad")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0,), name="bad")
    fail(journal, MLP_SGD, 0)
    journal.commit()
    export(journal, paths)
    journal.close()
    page = read_page(paths)
    assert page.best == page.curves == page.confusions == ()
    assert "No trial has completed yet." in render(page)


def test_trials_of_an_earlier_grid_are_left_out_and_counted(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD,), seeds=(0, 1))
    journal.commit()
    export(journal, paths)
    journal.close()
    page = read_page(paths)
    assert (page.trials, page.unplanned, len(page.cells.rows)) == (2, 2 * len(CELLS) - 2, 1)


def test_a_damaged_table_leaves_the_old_page_as_it_was(tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    paths.report.write_text("the old page")
    paths.table("epochs").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DamagedResults):
        write_report(paths, paths.report)
    assert paths.report.read_text() == "the old page"
    assert not list(paths.root.glob("*.tmp"))


def test_many_cells_keep_the_best_and_the_worst_curves(tmp_path: Path):
    paths = ResultsPaths(tmp_path / "many")
    journal = Journal.create_or_open(paths.journal)
    cells = [Cell(model=f"mlp hidden={size}") for size in range(130)]
    plan(journal, cells, seeds=(0,), name="many")
    for size, cell in enumerate(cells):
        complete(journal, cell, 0, accuracy=0.3 + size / 200)
    journal.commit()
    export(journal, paths)
    journal.close()
    (curves,) = read_page(paths).curves
    assert (len(curves.curves), curves.left_out) == (120, 10)
    assert curves.curves[0].label.startswith("mlp hidden=129")
    assert curves.curves[-1].label.startswith("mlp hidden=0 ")


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_draws_it_without_the_network(demo: ResultsPaths, tmp_path: Path):
    write_report(demo, tmp_path / "report.html")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=10000"]
    flags += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
    page = (tmp_path / "report.html").as_uri()
    done = subprocess.run([CHROMIUM, *flags, page], capture_output=True, text=True, timeout=90, check=True)
    drawn = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
    assert "CONSOLE" not in done.stderr, done.stderr
    assert drawn.count('class="main-svg"') >= 3
    assert "6 of 6 rows" in drawn
    assert "12 of 12 rows" in drawn
    assert drawn.count("&lt;script&gt;alert('class')&lt;/script&gt;") >= 2
