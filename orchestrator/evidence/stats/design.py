"""How the test pictures of a claim's trials were come by, and what it makes of the variance of a mean over seeds."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from orchestrator.evidence.stats.crossed import MeanSquares

Scope = Literal["these pictures", "pictures like these"]
"""What a verdict is about: the test pictures that there are, or all from which they could have been drawn."""
NARROW: Final[Scope] = "these pictures"
WIDE: Final[Scope] = "pictures like these"

PREDICTIONS: Final = (
    "without predictions it is unknown what these seeds owe to the test pictures that they share: "
    "run with protocol.keep_predictions, or claim it of these pictures"
)


@dataclass(frozen=True, slots=True)
class FixedPictures:
    """All seeds are tested on the same pictures: an official test split, or one whose seed is fixed."""

    contrast: NDArray[np.float64] | None = None
    """(seeds, pictures): the claim's contrast on each picture, of accuracies the difference of right (1) and wrong (0), of
    other measures that of `pseudo_values`; None where predictions were not kept."""
    largest: float | None = None
    """Without a contrast: an upper bound of the contrast's variance over pictures, divided by their number, as
    `largest_variance` has it of accuracies."""
    lacking: str = PREDICTIONS
    """Why there is no contrast, where there is none."""


@dataclass(frozen=True, slots=True)
class RedrawnPictures:
    """Each seed draws its test pictures anew, out of the pool from which it draws those that train."""

    ratio: float
    """Test pictures over training pictures; validation pictures are neither."""


@dataclass(frozen=True, slots=True)
class Folds:
    """Each seed is tested on another fold of the pool; after the last, the pool is cut anew."""

    count: int


@dataclass(frozen=True, slots=True)
class NoPictures:
    """A measure of training, of time or of cost, that no test picture is part of."""


Design = FixedPictures | RedrawnPictures | Folds | NoPictures


@dataclass(frozen=True, slots=True)
class Spread:
    """What is known of one stratum's values, and stays so where seeds are added."""

    n: int
    square: float
    """Variance of the values."""
    of_pictures: float | None
    """What the choice of the pictures that all seeds share brings to the variance of the mean; None where nothing tells."""
    pictures: int = 0
    """How many of them were looked at."""

    @classmethod
    def of(cls, values: NDArray[np.float64], design: Design) -> "Spread":
        """values: (n,), n >= 2. Raises ValueError where the contrast on pictures is not one of these seeds."""
        n, square = values.size, float(values.var(ddof=1))
        if not isinstance(design, FixedPictures) or design.contrast is None:
            return cls(n, square, design.largest if isinstance(design, FixedPictures) else None)
        if design.contrast.shape[0] != n or design.contrast.shape[1] < 2:
            raise ValueError(f"a contrast of {n} seeds and two pictures or more, not of shape {design.contrast.shape}")
        squares = MeanSquares.of(design.contrast)
        return cls(n, square, squares.of_pictures, squares.m)


@dataclass(frozen=True, slots=True)
class Component:
    """Of the variance of one stratum's mean."""

    of_seeds: float
    """What more seeds make smaller: as much as that of n independent values."""
    lasting: float
    """What no number of seeds makes smaller."""
    df: float
    method: str
    withheld: str | None = None
    """Why no verdict may be given."""

    @property
    def variance(self) -> float:
        return self.of_seeds + self.lasting


def component(spread: Spread, design: Design, scope: Scope) -> Component:
    """What the mean of a stratum owes to what."""
    n, square = spread.n, spread.square
    of_seeds = square / n
    alone = Component(of_seeds, 0.0, n - 1, "Student's t over seeds")
    if scope == "these pictures":
        return alone
    match design:
        case NoPictures():
            return alone
        case RedrawnPictures(ratio):  # Nadeau and Bengio (2003), "Inference for the Generalization Error", section 3
            return Component(of_seeds, square * ratio, n - 1, "corrected resampled t")
        case Folds(count):
            # More rounds over the folds are no other pictures. A mean over rounds varies no more than one round does, so
            # the variance of one holds; that of Bouckaert and Frank (2004), 1 / n + 1 / (folds - 1), is even above it.
            lasting = square * max(0.0, 1 / count - 1 / n)
            return Component(of_seeds, lasting, min(n, count) - 1, "Student's t over folds")
        case FixedPictures():
            if spread.of_pictures is None:
                return Component(of_seeds, 0.0, n - 1, alone.method, design.lacking)
            known = design.contrast is not None
            # where seeds bring nothing, pictures alone are the sample
            df = (of_seeds + spread.of_pictures) ** 2 / (of_seeds**2 / (n - 1)) if of_seeds else spread.pictures - 1.0
            method = "seeds and pictures crossed (Hillis)" if known else "seeds, and the most that pictures may bring"
            return Component(of_seeds, spread.of_pictures, df if df > 0 else n - 1, method)


def largest_variance(weights: NDArray[np.float64], accuracies: NDArray[np.float64], pictures: int) -> float:
    """The most that the choice of pictures can bring to the variance of a contrast of mean accuracies.

    weights, accuracies: (arms,), positive weights for one side. What varies is the weighted sum of misses. It does most
    where the arms of one side miss the same pictures and those of the other side none of them, and then
    E[d^2] <= sum over sides of (sum |w|) (sum |w| misses), as the share of seeds that miss a picture lies within 0 and 1.
    The same holds of hits in place of misses, so the smaller of the two bounds does.
    """

    def bound(shares: NDArray[np.float64]) -> float:
        size = np.abs(weights)
        squares = sum(size[side].sum() * (size[side] @ shares[side]) for side in (weights > 0, weights < 0))
        return float(squares - (weights @ shares) ** 2)

    return max(0.0, min(bound(accuracies), bound(1 - accuracies))) / pictures
