"""Nothing: the level to compare the others with."""

from typing import ClassVar

from trainables.interfaces import Regularizer


class Nothing(Regularizer):
    """Trains the model as it is."""

    name: ClassVar[str] = "none"
