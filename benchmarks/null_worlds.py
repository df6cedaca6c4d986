"""Worlds in which nothing differs from what is claimed, or something does: what the trials of a claim give in them.

Each world is a function of a random generator, a number of seeds and a shift (of the effect; 0: nothing differs), which
returns the strata of one claim or of several, or None of a claim whose verdict is withheld.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.evidence.stats.design import Design, FixedPictures, Folds, NoPictures, RedrawnPictures
from orchestrator.evidence.stats.scope import Stratum

Floats = NDArray[np.float64]
CLASSES: Final = 3
FEATURES: Final = 8


@dataclass(frozen=True)
class Posed:
    """A claim and what there is on it."""

    strata: tuple[Stratum, ...]
    bound: float = 0.0
    withheld_above: bool = False
    """No verdict for the claim is given: a run broke on the side that the others favour."""
    withheld_below: bool = False


World = Callable[[np.random.Generator, int, float], Sequence[Posed]]


@dataclass(frozen=True)
class Pool:
    """Pictures of three classes, as two learners see them: features of its own, alike drawn, so they may be exchanged."""

    labels: NDArray[np.int64]
    seen: Floats
    """(learners, pictures, features)."""

    @classmethod
    def drawn(cls, random: np.random.Generator, pictures: int, centres: Floats) -> "Pool":
        labels = random.integers(0, CLASSES, pictures)
        return cls(labels, centres[:, labels] + random.normal(0, 1, (2, pictures, FEATURES)))

    def contrast(self, train: NDArray[np.int64], tested: "Pool", test: NDArray[np.int64]) -> Floats:
        """Right (1) or wrong (0) of the first learner less that of the second, by picture, by the nearest class mean."""
        right = []
        for learner in range(2):
            means = np.array(
                [self.seen[learner, train][self.labels[train] == label].mean(axis=0) for label in range(CLASSES)]
            )
            away = ((tested.seen[learner, test][:, None] - means) ** 2).sum(axis=2)
            right.append((away.argmin(axis=1) == tested.labels[test]).astype(float))
        return np.asarray(right[0] - right[1])


def _centres(random: np.random.Generator) -> Floats:
    """(learners, classes, features): centres of both learners are equally far apart, one's are those of the other turned."""
    centres = random.normal(0, 0.45, (CLASSES, FEATURES))
    turn = np.linalg.qr(random.normal(size=(FEATURES, FEATURES)))[0]
    return np.stack([centres, centres @ turn])


def redrawn(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """300 pictures in all, of which each seed draws a fifth to test on and trains on the rest, as `digits`."""
    pool, values = Pool.drawn(random, 300, _centres(random)), []
    for _ in range(seeds):
        order = random.permutation(300)
        values.append(pool.contrast(order[60:], pool, order[:60]).mean())
    return [Posed((Stratum(_shifted(np.array(values), shift), RedrawnPictures(60 / 240)),))]


def folds(random: np.random.Generator, seeds: int, shift: float, count: int = 10) -> list[Posed]:
    """The same pool in folds, anew after each round."""
    pool, values = Pool.drawn(random, 300, _centres(random)), []
    for seed in range(seeds):
        if seed % count == 0:
            parts = np.array_split(random.permutation(300), count)
        train = np.concatenate([part for place, part in enumerate(parts) if place != seed % count])
        values.append(pool.contrast(train, pool, parts[seed % count]).mean())
    return [Posed((Stratum(_shifted(np.array(values), shift), Folds(count)),))]


def official(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """200 test pictures that all seeds share; 45 to train on, which each seed draws from all that there could be."""
    centres = _centres(random)
    test = Pool.drawn(random, 200, centres)
    contrast = np.array(
        [Pool.drawn(random, 45, centres).contrast(np.arange(45), test, np.arange(200)) for _ in range(seeds)]
    )
    contrast = contrast + shift * contrast.mean(axis=1).std(ddof=1)
    return [Posed((Stratum(contrast.mean(axis=1), FixedPictures(contrast)),))]


def unseen(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """The same without predictions, by the most that pictures can bring to accuracies of 0.8."""
    (posed,) = official(random, seeds, shift)
    return [Posed((Stratum(posed.strata[0].values, FixedPictures(largest=0.4 / 200)),))]


def of_each_set(random: np.random.Generator, seeds: int, shift: float, terms: Floats | None = None) -> list[Posed]:
    """Three data sets on which the cells differ, by as much more here as less there: over the sets the effect is zero."""
    terms = np.array([1.5, -0.5, -1.0]) if terms is None else terms
    strata = [_crossed(random, seeds, term + shift, weight=1 / 3) for term in terms]
    return [Posed(tuple(strata))]


def of_drawn_sets(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """Three data sets drawn from all that there are, over which the effect is zero: more than the verdict is about."""
    return of_each_set(random, seeds, shift, random.normal(0, 1, 3))


def _crossed(random: np.random.Generator, seeds: int, mean: float, weight: float = 1.0, pictures: int = 200) -> Stratum:
    """Values whose spread over seeds is 1, and to which pictures bring as much as ten seeds do."""
    both = random.normal(0, 3, (seeds, pictures))
    own = random.normal(0, np.sqrt(1 - 9 / pictures), (seeds, 1))
    contrast = mean + own + random.normal(0, np.sqrt(pictures / 10), pictures) + both
    return Stratum(contrast.mean(axis=1), FixedPictures(contrast), weight)


def crossed(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return [Posed((_crossed(random, seeds, shift),))]


def drawn_anew(random: np.random.Generator, seeds: int, shift: float, ratio: float = 0.25) -> list[Posed]:
    """Normal values that share what Nadeau and Bengio say that redrawn splits share; their spread is 1."""
    shared = random.normal(0, np.sqrt(ratio))
    return [Posed((Stratum(shift + shared + random.normal(size=seeds), RedrawnPictures(ratio)),))]


def a_tenth_drawn_anew(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return drawn_anew(random, seeds, shift, 1 / 9)


def normal_folds(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return [Posed((Stratum(shift + random.normal(size=seeds), Folds(seeds)),))]


def normal(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return [_alone(shift + random.normal(size=seeds))]


def exponential(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return [_alone(shift + random.exponential(size=seeds) - 1)]


def log_normal(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return [_alone(shift + np.exp(random.normal(size=seeds)) - np.exp(0.5))]


def log_normal_below(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    return [_alone(shift - np.exp(random.normal(size=seeds)) + np.exp(0.5))]


def stuck(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """The claimed arm is stuck at chance in a tenth of its runs, and as good as the other in those that train."""
    trains = random.random(seeds) >= 0.1
    return [_without(shift + random.normal(size=seeds), trains)]


def failing(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """A run of the claimed arm fails where it would have been among its worst tenth."""
    first, other = random.normal(0, np.sqrt(0.5), (2, seeds))
    return [_without(shift + first - other, first > -1.2816 * np.sqrt(0.5))]


def every_kind(random: np.random.Generator, seeds: int, shift: float) -> list[Posed]:
    """A family of eight: difference over two data sets, margin, non-inferiority, interaction, trend, gap, time, diverged."""

    def part(design: Design, weight: float = 1.0, mean: float = 0.0) -> Stratum:
        return Stratum(mean + shift + random.normal(size=seeds), design, weight)

    late = np.where(random.random((2, seeds)) < 0.1, 1.0, 0.0)
    alone = NoPictures()
    return [
        Posed((_crossed(random, seeds, shift, 0.5), _crossed(random, seeds, shift, 0.5))),
        Posed((_crossed(random, seeds, 0.7),), bound=0.7),
        Posed((_crossed(random, seeds, -0.7),), bound=-0.7),
        Posed((_crossed(random, seeds, 0.3), _crossed(random, seeds, 0.3, -1.0))),
        Posed((part(alone),)),
        Posed((part(RedrawnPictures(0.0)),)),
        _alone(random.choice([-1.0, 1.0], seeds)),
        _alone(late[0] - late[1]),
    ]


def _alone(values: Floats) -> Posed:
    return Posed((Stratum(values, NoPictures()),))


def _without(values: Floats, there: NDArray[np.bool_]) -> Posed:
    broke = not there.all()
    return Posed((Stratum(values[there], NoPictures()),), withheld_above=broke)


def _shifted(values: Floats, shift: float) -> Floats:
    return np.asarray(values + shift * values.std(ddof=1))
