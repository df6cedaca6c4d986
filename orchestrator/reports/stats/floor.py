"""The spread of a cell's accuracies beside what its test set alone would make of them."""

from collections.abc import Sequence

import numpy as np


def over_floor(accuracies: Sequence[float], test_size: int) -> float:
    """Standard deviation over seeds, divided by that of drawing `test_size` examples: sqrt(p (1 - p) / test_size).

    A healthy cell sits near 1, below it where all seeds share their test examples; a large value is instability of
    training, not noise of the test set (Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks",
    MLSys 2021, section 3). Not a number below two accuracies, where all are 0 or all are 1, and of no examples.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    if values.size < 2 or test_size < 1:
        return float("nan")
    share = float(values.mean())
    floor = float(np.sqrt(share * (1 - share) / test_size))
    return float(values.std(ddof=1)) / floor if floor > 0 else float("nan")
