"""The layers of `cnn3d`."""

from torch import Tensor, nn


def stage(inputs: int, channels: int, span: int, batch_norm: bool) -> list[nn.Module]:
    """span: frames that the pool takes together."""
    # a bias before batch norm would be subtracted again
    layer = nn.Conv3d(inputs, channels, 3, padding=1, bias=not batch_norm)
    norm = [nn.BatchNorm3d(channels)] if batch_norm else []
    return [layer, *norm, nn.MaxPool3d((span, 2, 2)), nn.ReLU(inplace=True)]


class ChannelsFirst(nn.Module):
    """(batch, frames, channels, height, width) to (batch, channels, frames, height, width)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.transpose(1, 2)
