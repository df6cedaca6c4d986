"""Nothing: the level to compare the others with."""

from typing import ClassVar

from trainables.interfaces import Regularizer


class Nothing(Regularizer):
    """Trains as the model stands."""

    name: ClassVar[str] = "none"
