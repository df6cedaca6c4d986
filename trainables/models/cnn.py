"""A plain convolutional network in the manner of LeNet (LeCun et al. 1998), with ReLU and optional batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from trainables.component import AddedLater, AnyCounts, Count, Counts, PerWorker, or_one
from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models._choices import Attention
from trainables.models._initialisation import Initialisation, initialise

if TYPE_CHECKING:
    from torch import nn

Padding = Literal["same", "valid"]


Paddings = Annotated[tuple[Padding, ...], or_one(str, Padding | tuple[Padding, ...]), Field(min_length=1)]


class Cnn(Model):
    """A convolution, ReLU and a pool for each entry of `channels`, then fully connected layers."""

    name: ClassVar[str] = "cnn"
    stacks: ClassVar[bool] = True

    channels: Counts = (32, 64)
    """Feature maps of each convolution."""
    kernels: Counts = (3,)
    """Side of each convolution's kernel in pixels: one for each of `channels`, or one for all."""
    hidden: AnyCounts = (128,)
    """Units of each fully connected layer before the last; may be empty."""
    batch_norm: bool = False
    """Batch normalisation after each convolution (Ioffe and Szegedy 2015)."""
    pool: Literal["max", "avg", "none"] = "max"
    """What makes the image smaller after each convolution."""
    padding: Annotated[Paddings, AddedLater(keeps=["same"])] = ("same",)
    """Whether a convolution keeps the image's size or takes only whole windows: one for each of `channels`, or one."""
    pool_size: Annotated[Count, AddedLater(keeps=2)] = 2
    """Side of the window of a pool in pixels."""
    pool_stride: Annotated[Count | None, AddedLater(keeps=None)] = None
    """Pixels from one window of a pool to the next; as many as its side when not given."""
    pool_padding: Annotated[Padding, AddedLater(keeps="valid")] = "valid"
    """Whether a pool also takes windows that reach over the edge, centred, as TensorFlow's `same`."""
    attention: Annotated[Attention, AddedLater(keeps="none")] = "none"
    """After each pool: squeeze-and-excitation (Hu et al. 2018), or CBAM (Woo et al. 2018)."""
    init: Annotated[Initialisation, AddedLater(keeps="default")] = "default"
    """How weights are drawn: torch's way, a truncated normal of deviation 0.05 with biases 0.05, or Glorot's."""

    @model_validator(mode="after")
    def _one_for_each_or_one_for_all(self) -> Cnn:
        for name, given in (("kernels", self.kernels), ("padding", self.padding)):
            if len(given) not in (1, len(self.channels)):
                raise ValueError(
                    f"{name} has {len(given)} entries and channels {len(self.channels)}; "
                    f"give one {name.removesuffix('s')} for all convolutions or one for each"
                )
        return self

    @model_validator(mode="after")
    def _windows_have_a_middle(self) -> Cnn:
        if self.pool_padding == "same" and self._stride() == 1 and self.pool_size % 2 == 0:
            raise ValueError("pool_padding same with a pool_stride of 1 needs an odd pool_size, such as 3")
        return self

    @property
    def per_worker(self) -> PerWorker:
        return PerWorker.STATISTICS if self.batch_norm else PerWorker.NOTHING

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        for number, (height, width) in enumerate(self._sizes(data), start=1):
            if min(height, width) < 1:
                return (
                    f"cnn makes the image smaller {len(self.channels)} times, of which number {number} "
                    f"leaves nothing of {data.height}x{data.width} pixels ({data.name})"
                )
        return None

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from torch import nn

        from trainables.models._attention import attending
        from trainables.models._layers import fully_connected

        layers: list[nn.Module] = []
        inputs, height, width = data.channels, data.height, data.width
        stages = zip(self.channels, self._kernels(), self._paddings(), self._sizes(data), strict=True)
        for channels, kernel, padding, size in stages:
            layers += self._convolution(inputs, channels, kernel, padding)
            layers += self._pooled(_convolved(height, kernel, padding), _convolved(width, kernel, padding))
            layers += attending(self.attention, channels)
            inputs, (height, width) = channels, size
        head = fully_connected(inputs * height * width, self.hidden, outputs)
        module = nn.Sequential(*layers, nn.Flatten(), head)
        initialise(module, self.init)
        return module

    def _convolution(self, inputs: int, channels: int, kernel: int, padding: Padding) -> list[nn.Module]:
        from torch import nn

        layers: list[nn.Module] = []
        if padding == "same" and kernel % 2 == 0:  # takes one more pixel on one side, which a convolution cannot pad
            layers.append(nn.ZeroPad2d((0, 1, 0, 1)))
        width = (kernel - 1) // 2 if padding == "same" else 0
        # a bias before batch norm would be subtracted again
        layers.append(nn.Conv2d(inputs, channels, kernel, padding=width, bias=not self.batch_norm))
        if self.batch_norm:
            layers.append(nn.BatchNorm2d(channels))
        return layers

    def _pooled(self, height: int, width: int) -> list[nn.Module]:
        """ReLU and pool of maps of this size, in the order that gives the same for less work."""

        from torch import nn

        same = self.pool_padding == "same"
        before = (self._overlap(height) // 2, self._overlap(width) // 2) if same else 0
        match self.pool:
            case "max":  # gives the same before ReLU as after it, and leaves ReLU a quarter of the work
                pool = nn.MaxPool2d(self.pool_size, self._stride(), before, ceil_mode=same)
                return [pool, nn.ReLU(inplace=True)]
            case "avg":
                mean = nn.AvgPool2d(self.pool_size, self._stride(), before, same, count_include_pad=False)
                return [nn.ReLU(inplace=True), mean]
            case "none":
                return [nn.ReLU(inplace=True)]

    def _overlap(self, side: int) -> int:
        """Return by how many pixels the windows of a `same` pool reach over both edges together."""
        windows = -(-side // self._stride())
        return max(0, (windows - 1) * self._stride() + self.pool_size - side)

    def _sizes(self, data: DataInfo) -> Iterator[tuple[int, int]]:
        """Height and width after each convolution and its pool; a side of 0 is followed by whatever."""
        height, width = data.height, data.width
        for kernel, padding in zip(self._kernels(), self._paddings(), strict=True):
            height = self._shrunk(_convolved(height, kernel, padding))
            width = self._shrunk(_convolved(width, kernel, padding))
            yield height, width

    def _shrunk(self, side: int) -> int:
        """Windows of the pool along a side of so many pixels."""
        if self.pool == "none" or side < 1:
            return side
        if self.pool_padding == "same":
            return -(-side // self._stride())
        return 0 if side < self.pool_size else (side - self.pool_size) // self._stride() + 1

    def _stride(self) -> int:
        return self.pool_size if self.pool_stride is None else self.pool_stride

    def _kernels(self) -> tuple[int, ...]:
        return self.kernels * len(self.channels) if len(self.kernels) == 1 else self.kernels

    def _paddings(self) -> tuple[Padding, ...]:
        return self.padding * len(self.channels) if len(self.padding) == 1 else self.padding


def _convolved(side: int, kernel: int, padding: Padding) -> int:
    return side if padding == "same" else side - kernel + 1
