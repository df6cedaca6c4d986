"""What the models share that look at each frame of a clip with the same small convolutional network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from trainables.component import Count, Counts, PerWorker
from trainables.dataset import DataInfo, Input
from trainables.interfaces import Model, Place

if TYPE_CHECKING:
    from trainables.models._frames_net import FrameNetwork


FRAME_ENDS: Final[tuple[Place, Place]] = ((slice(None), 0), (slice(None), -1))
"""The first and the last frame of each clip of a batch."""


class FrameModel(Model):
    """Reads clips: the same network sees each frame, and what it says of them is put together."""

    inputs: ClassVar[frozenset[Input]] = frozenset({"clip"})

    channels: Counts = (16, 32)
    """Feature maps of each 3x3 convolution; each is followed by ReLU and a 2x2 pool."""
    batch_norm: bool = True
    """Batch normalisation after each convolution, over all frames (Ioffe and Szegedy 2015)."""
    features: Count = 64
    """Numbers that describe a frame."""

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.STATISTICS if self.batch_norm else PerWorker.NOTHING

    def unsupported_reason(self, data: DataInfo) -> str | None:
        return super().unsupported_reason(data) or left_of_frame(self.name, len(self.channels), data)

    def frame_network(self, data: DataInfo) -> FrameNetwork:
        """Freshly initialised, for the frames of this data."""

        from trainables.models._frames_net import FrameNetwork

        return FrameNetwork(data, self.channels, self.features, self.batch_norm)


def left_of_frame(name: str, halvings: int, data: DataInfo) -> str | None:
    """Return None, or the reason why frames are too small to be halved so often."""
    if min(data.height, data.width) >> halvings:
        return None
    size = f"{data.height}x{data.width}"
    return f"{name} halves a frame {halvings} times, which leaves nothing of {size} pixels ({data.name})"
