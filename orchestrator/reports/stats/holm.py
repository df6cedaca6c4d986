"""Several tests at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected so that the chance of any false alarm among them stays below the level.

    In the order given, each at most 1. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
    Journal of Statistics 6 (1979). Raises ValueError where one is not within 0 and 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("a p-value lies within 0 and 1")
    # statsmodels' `multipletests` collects all garbage at each call: 0.1 s, and 2 s more to import
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(values.size, 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected
