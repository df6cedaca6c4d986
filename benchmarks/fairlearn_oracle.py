"""Compares the equalised odds of `trainables/measurements/` with those of fairlearn 0.15, on made-up answers.

Run by hand, since fairlearn is no dependency:

    python -m pip install --target /tmp/fair --no-deps fairlearn==0.15.0 narwhals
    PYTHONPATH=.:/tmp/fair python benchmarks/fairlearn_oracle.py

Each class stands against the rest, and the largest difference of them all is compared. It fails above 1e-5.
"""

import sys
from typing import Final

import numpy as np
from fairlearn.metrics import (  # type: ignore[import-not-found]
    MetricFrame,
    equalized_odds_difference,
    selection_rate,
)
from sklearn.metrics import recall_score

from trainables.measurements._groups import equalized_odds, group_rows

_BAR: Final = 1e-5
_DRAWN: Final = 200


def largest_difference(seed: int) -> float:
    """Between our figures and fairlearn's of one table of answers, where groups and classes are of unequal sizes."""
    rng = np.random.default_rng(seed)
    classes, groups = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    n = 400 * groups
    targets = rng.integers(classes, size=n)
    answers = np.where(rng.random(n) < rng.random(), targets, rng.integers(classes, size=n))
    member = rng.integers(groups, size=n).astype(str)
    rows = group_rows(targets, answers, member.tolist(), classes=classes)
    assert not any(row.left_out for row in rows), "what we leave out, fairlearn would count"
    odds = equalized_odds(rows)
    assert odds is not None
    theirs, apart = 0.0, 0.0
    for each in range(classes):
        true, said = targets == each, answers == each
        theirs = max(theirs, equalized_odds_difference(true, said, sensitive_features=member))
        frame = MetricFrame(
            metrics={"recall": recall_score, "selection": selection_rate},
            y_true=true,
            y_pred=said,
            sensitive_features=member,
        ).by_group
        for row in rows:
            apart = max(apart, abs(frame.loc[row.group, "recall"] - row.recalls[each]))
            apart = max(apart, abs(frame.loc[row.group, "selection"] - row.selection_rates[each]))
    return max(apart, abs(theirs - odds.difference))


def main() -> int:
    """Return the exit code."""
    largest = max(largest_difference(seed) for seed in range(_DRAWN))
    print(f"{_DRAWN} tables, largest difference {largest:.1e}, bar {_BAR:.0e}")
    return int(not largest <= _BAR)


if __name__ == "__main__":
    sys.exit(main())
