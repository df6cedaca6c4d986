"""EfficientNet-Lite0: EfficientNet-B0 (Tan and Le 2019, table 1) for small devices, with ReLU6 and no squeeze-excitation.

As in TensorFlow, where its weights were trained: "same" padding puts the odd pixel behind, batch norm has an epsilon of
1e-3. Its momentum is torch's: TensorFlow's needs more steps than small data gives.
(Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog.)
"""

from math import ceil, sqrt
from typing import Final, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.pretrained.head import DroppedLinear


class _Stage(NamedTuple):
    """Blocks of the same form; the first one changes width and size."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES: Final = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM: Final = 32
_TOP: Final = 1280


class EfficientNetLite0(nn.Module):
    """(batch, 3, height, width), pixels as (x - 127) / 128 of x in 0..255, to (batch, outputs)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = _unit(3, _STEM, 3, stride=2)
        blocks: list[nn.Module] = []
        inputs = _STEM
        for stage in _STAGES:
            for block in range(stage.blocks):
                blocks.append(_Block(inputs, stage, stage.stride if block == 0 else 1))
                inputs = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.top = _unit(inputs, _TOP, 1)
        self.head = DroppedLinear.around(nn.Linear(_TOP, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.top(self.blocks(self.stem(inputs)))
        outputs: Tensor = self.head(features.mean(dim=(2, 3)))
        return outputs


class _Block(nn.Module):
    """Widen, convolve each map by itself, narrow; added to the input where both have the same shape."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.expand = _unit(inputs, wide, 1) if stage.expansion > 1 else nn.Identity()
        self.depthwise = _unit(wide, wide, stage.kernel, stride=stride, groups=wide)
        self.project = _unit(wide, stage.channels, 1, active=False)
        self.adds = stride == 1 and inputs == stage.channels

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.project(self.depthwise(self.expand(inputs)))
        return inputs + outputs if self.adds else outputs


class _SameConvolution(nn.Conv2d):
    """A strided convolution padded as TensorFlow pads: the output has the input's size over the stride, rounded up."""

    def forward(self, inputs: Tensor) -> Tensor:
        height, width = (self._missing(size) for size in inputs.shape[2:])
        padded = F.pad(inputs, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(padded)

    def _missing(self, size: int) -> int:
        """Pixels to add along one side."""
        (stride, _), (kernel, _) = self.stride, self.kernel_size
        return max((ceil(size / stride) - 1) * stride + kernel - size, 0)


def _unit(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, where active, ReLU6."""
    if stride == 1:
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    else:
        convolution = _SameConvolution(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)
    nn.init.normal_(convolution.weight, std=sqrt(2 * groups / (kernel * kernel * outputs)))  # He et al. 2015, fan out
    layers = [convolution, nn.BatchNorm2d(outputs, eps=1e-3)]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if active else nn.Sequential(*layers)
