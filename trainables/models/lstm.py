"""A long short-term memory (Hochreiter and Schmidhuber 1997) that reads an image or a clip step by step."""

from typing import ClassVar

from trainables.models._choices import Cell
from trainables.models._recurrent import SequenceModel


class Lstm(SequenceModel):
    """A long short-term memory: rows, columns or patches of an image, or frames of a clip, are its sequence.

    The last state is classified. Le et al. 2015 read pixels so. Its forget gate starts open.
    """

    name: ClassVar[str] = "lstm"
    cell: ClassVar[Cell] = "lstm"
