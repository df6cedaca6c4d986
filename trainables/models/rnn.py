"""A simple recurrent network (Elman 1990, "Finding Structure in Time") that reads step by step."""

from typing import ClassVar

from trainables.models._choices import Cell
from trainables.models._recurrent import SequenceModel


class Rnn(SequenceModel):
    """Elman's recurrent network with tanh: rows, columns or patches of an image, or frames of a clip, in sequence.

    The last state is classified. Without gates it forgets over some ten steps (Bengio et al. 1994).
    """

    name: ClassVar[str] = "rnn"
    cell: ClassVar[Cell] = "rnn"
