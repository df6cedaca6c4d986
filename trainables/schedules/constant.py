"""The learning rate as it is configured, at every step."""

from typing import ClassVar

from trainables.protocol import Moment, Schedule


class Constant(Schedule):
    """No change over the training."""

    name: ClassVar[str] = "constant"

    def factor(self, at: Moment) -> float:
        return 1.0
