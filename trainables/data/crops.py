"""Which part of a picture is looked at: a random one to train on, the middle one to measure on.

The random part is Szegedy et al. 2015, "Going Deeper with Convolutions" (sec. 6): 8 % to 100 % of the area, 3/4 to 4/3
times as wide as high. The middle one is what resizing the short side and cutting the centre leaves.
"""

import math
from typing import Final

import numpy as np

from trainables.data.pictures import Box, Choice

_RATIOS: Final = (3 / 4, 4 / 3)
_TRIES: Final = 10
"""After which the middle is taken, as torchvision does."""


def middle(ratio: float, share: float = 1.0) -> Choice:
    """The middle of the largest part with this ratio of width to height, `share` of it in both directions."""

    def choose(height: int, width: int) -> Box:
        wide = min(width, height * ratio) * share
        high = wide / ratio
        left, top = max(0.0, (width - wide) / 2), max(0.0, (height - high) / 2)
        return left, top, min(width, left + wide), min(height, top + high)

    return choose


def at_random(key: int, example: int, ratio: float, least_area: float) -> Choice:
    """A random part: the same for one key and example, whatever was decoded before it and by whom.

    key: of an epoch, 0 to 2**63 - 1. ratio: of width to height of what comes out; the part's own is drawn around it.
    least_area: the smallest share of the picture's area.
    """

    def choose(height: int, width: int) -> Box:
        random = np.random.Generator(np.random.Philox(key=np.array([key, example], np.uint64)))
        for _ in range(_TRIES):
            area = height * width * random.uniform(least_area, 1)
            drawn = ratio * math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
            wide, high = round(math.sqrt(area * drawn)), round(math.sqrt(area / drawn))
            if 0 < wide <= width and 0 < high <= height:
                left, top = (int(random.integers(0, room, endpoint=True)) for room in (width - wide, height - high))
                return left, top, left + wide, top + high
        nearest = min(max(width / height, ratio * _RATIOS[0]), ratio * _RATIOS[1])
        return middle(nearest)(height, width)

    return choose
