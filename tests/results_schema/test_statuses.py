"""Every status is of one kind: open, come to an end, or skipped; and who draws a page knows the same."""

import re
from pathlib import Path

from results_schema import BROKEN, ENDED, FINAL, OPEN, RETRYABLE, STATUSES, TRAINED, still_to_run

FIGURES = Path(__file__).parents[2] / "orchestrator" / "report" / "templates" / "figures.js"


def test_each_status_is_of_one_kind() -> None:
    assert sorted(STATUSES) == sorted([*OPEN, *TRAINED, *RETRYABLE, "skipped"])
    assert sorted(STATUSES) == sorted([*OPEN, *FINAL, *RETRYABLE])
    assert set(BROKEN) == ENDED - {"completed"}


def test_what_has_still_to_run_is_counted() -> None:
    assert still_to_run(dict.fromkeys(STATUSES, 2)) == 6
    assert still_to_run({"completed": 3}) == 0


def test_a_page_counts_as_broken_what_ran_and_has_no_score() -> None:
    found = re.search(r"!\[(.+?)\]\.includes\(name\)", FIGURES.read_text(encoding="utf-8"))
    assert found is not None
    assert set(re.findall(r'"(\w+)"', found[1])) == OPEN | {"skipped"}
