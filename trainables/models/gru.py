"""Gated recurrent units (Cho et al. 2014, "Learning Phrase Representations", sec. 2.3) that read step by step."""

from typing import ClassVar

from trainables.models._choices import Cell
from trainables.models._recurrent import SequenceModel


class Gru(SequenceModel):
    """Gated recurrent units: rows, columns or patches of an image, or frames of a clip, are their sequence.

    The last state is classified. The reset gate stands behind the recurrent matrix, as in cuDNN and torch.
    """

    name: ClassVar[str] = "gru"
    cell: ClassVar[Cell] = "gru"
