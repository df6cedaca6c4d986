"""Half a cosine from the configured learning rate down (Loshchilov and Hutter 2017, eq. 5, without restarts)."""

import math
from typing import ClassVar

from trainables.component import Probability
from trainables.protocol import Moment, Schedule


class Cosine(Schedule):
    """Falls at every step."""

    name: ClassVar[str] = "cosine"

    minimum: Probability = 0.0
    """The factor that the last step comes close to."""

    def factor(self, at: Moment) -> float:
        return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * at.step / at.steps)) / 2
