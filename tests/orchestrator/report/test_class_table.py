"""The table under the confusion matrix, in a browser: precision, recall and F1 of the counts that the matrix shows."""

from pathlib import Path

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from tests.orchestrator.report.browser import needs_a_browser, opened, rows
from tests.orchestrator.sample import write_sample


@needs_a_browser
def test_it_is_what_the_counts_give(tmp_path: Path) -> None:
    shown = read_page(write_sample(tmp_path / "demo"))
    file = tmp_path / "report.html"
    file.write_text(render(shown), encoding="utf-8")
    found = shown.breakdowns.cells[0]
    counts = np.array(found.counts)
    true, said = (np.repeat(indices.ravel(), counts.ravel()) for indices in np.indices(counts.shape))
    expected = precision_recall_fscore_support(true, said, labels=range(len(counts)), zero_division=0)
    dataset = shown.cells.cells[found.cell].at[0]
    with opened(file) as page:
        page.locator(f'[data-cell-choice="{dataset}"]').select_option(str(found.cell))
        table = page.locator(f'[data-figure="classes"][data-at="{dataset}"]')
        table.scroll_into_view_if_needed()
        table.locator("tbody tr").first.wait_for()
        read = rows(table)
    assert [row[0] for row in read] == list(shown.breakdowns.classes[dataset])
    for place, row in enumerate(read):
        support = int(expected[3][place])
        figures = [f"{values[place]:.4f}" if support else "–" for values in expected[:3]]
        assert row[1:] == [*figures, f"{support:,}"]
