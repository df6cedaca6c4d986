"""Several tests at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected so that the chance of any false alarm among them stays below the level.

    In the order given, each at most 1. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
    Journal of Statistics 6 (1979), by statsmodels. Raises ValueError where one is not within 0 and 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("a p-value lies within 0 and 1")
    if not values.size:
        return values
    from statsmodels.stats.multitest import multipletests  # a second, which nobody waits for who has no claim

    corrected: NDArray[np.float64] = np.asarray(multipletests(values, method="holm")[1], dtype=np.float64)
    return corrected
