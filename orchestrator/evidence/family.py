"""The claims that are corrected together, and how few pairs can decide none of them.

The p-values of all claims of a grid are corrected together (Holm 1979), those that cannot be tested yet and those that a
later grid dropped among them: a family does not grow as trials end, and does not shrink as claims fail.
"""

from collections.abc import Sequence

from orchestrator.evidence.stats.paired import holm
from orchestrator.grid.claims import ALPHA, min_seeds


class Family:
    """All claims that were made of the same data, the withdrawn ones among them."""

    def __init__(self, p_values: Sequence[float]) -> None:
        """p_values: 1 where a claim cannot be tested."""
        self._p = p_values
        self.corrected: list[float] = holm(p_values).tolist()
        """In the same order."""

    def __len__(self) -> int:
        return len(self._p)

    def min_pairs(self, there: int, looks: int) -> int:
        """Fewer pairs give a claim no verdict, even where all are for it. there: pairs that it has.

        As many as `orch plan` says of the grid's claims, but for those that are decided and stay before it in Holm's steps,
        and for looks at the data.
        """
        pairs = there
        while pairs < min_seeds((len(self) - self._before(2 / 2**pairs)) * (looks + 1)):
            pairs += 1
        return pairs

    def _before(self, p: float) -> int:
        """Return how many are decided by a smaller p than this one."""
        return sum(other < p and corrected <= ALPHA for other, corrected in zip(self._p, self.corrected, strict=True))
