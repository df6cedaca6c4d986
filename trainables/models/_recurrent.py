"""What the models share that read an image or a clip step by step (their layers: `trainables.models._recurrent_net`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from trainables.component import AddedLater, Count, Depth, PerWorker
from trainables.dataset import DataInfo, Input
from trainables.interfaces import Model, Place
from trainables.models._choices import Cell, Read
from trainables.models._frames import FRAME_ENDS

if TYPE_CHECKING:
    from torch import nn


class SequenceModel(Model):
    """Reads an image piece by piece, or a clip frame by frame; the last state is classified.

    Dropout stands after each layer, on what goes up, never on what goes from step to step (Zaremba et al. 2014).
    """

    inputs: ClassVar[frozenset[Input]] = frozenset({"image", "clip"})
    stacks: ClassVar[bool] = True
    cell: ClassVar[Cell]

    hidden: Count = 128
    """Units of the state."""
    layers: Depth = 1
    """Layers stacked on each other."""
    read: Annotated[Read, AddedLater(keeps="rows")] = "rows"
    """The steps of an image: rows from the top, columns from the left, or square patches, line by line.
    A clip is read frame by frame, whatever this says."""
    patch: Annotated[Count, AddedLater(keeps=4)] = 4
    """Side of a patch in pixels, where patches are read."""
    bidirectional: Annotated[bool, AddedLater(keeps=False)] = False
    """Whether each layer also reads from the end, with a state of its own (Schuster and Paliwal 1997)."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.NOTHING

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        if data.input == "image" and self.read == "patches" and (data.height % self.patch or data.width % self.patch):
            patch, size = f"{self.patch}x{self.patch}", f"{data.height}x{data.width}"
            return f"patches of {patch} pixels do not fill an image of {size} ({data.name})"
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from trainables.models._recurrent_net import Recurrence, SequenceNetwork

        recurrence = Recurrence(self.cell, self.hidden, self.layers, self.bidirectional)
        return SequenceNetwork(recurrence, self._numbers(data), self.read, self.patch, outputs)

    def sequence_ends(self, data: DataInfo) -> tuple[Place, Place]:
        if data.input == "clip":
            return FRAME_ENDS
        every = slice(None)
        match self.read:
            case "rows":
                return (every, every, 0), (every, every, -1)
            case "columns":
                return (every, every, every, 0), (every, every, every, -1)
            case "patches":
                first, last = slice(self.patch), slice(-self.patch, None)
                return (every, every, first, first), (every, every, last, last)

    def _numbers(self, data: DataInfo) -> int:
        """Numbers in one step."""
        if data.input == "clip":
            return data.channels * data.height * data.width
        match self.read:
            case "rows":
                return data.channels * data.width
            case "columns":
                return data.channels * data.height
            case "patches":
                return data.channels * self.patch**2
