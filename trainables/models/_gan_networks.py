"""From noise to images, by transposed convolutions (Radford et al. 2016, "DCGAN", section 3)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

# A classifier whose last features can be looked at.


class Discriminator(nn.Module):
    """Standardised images to (batch, classes) logits, by way of the features before the last layer.

    It has no output of its own for generated images: their logit is fixed at 0, which takes nothing from K + 1 classes,
    since softmax does not change when a number is added to all logits (Salimans et al. 2016, section 5).
    """

    def __init__(self, classifier: nn.Module) -> None:
        """classifier: a sequence of layers that ends with fully connected ones (`_layers.fully_connected`)."""
        super().__init__()
        assert isinstance(classifier, nn.Sequential)
        *convolutions, fully_connected = classifier
        assert isinstance(fully_connected, nn.Sequential)
        *hidden, head = fully_connected
        self.features = nn.Sequential(*convolutions, *hidden)
        self.head = head

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(inputs))
        return logits


class Generator(nn.Module):
    """Noise (examples, inputs) to images float32 (examples, *shape) in 0..1.

    A linear layer makes small maps of `channels[0]` features; each entry of `channels` stands for one doubling of the
    sides (4x4, stride 2), with batch norm and ReLU between and a sigmoid at the end. Sides that are no multiple of the
    doublings are cut from larger ones.
    """

    def __init__(self, inputs: int, channels: Sequence[int], shape: tuple[int, ...]) -> None:
        """shape: of one image: (channels, height, width)."""
        super().__init__()
        image_channels, self._height, self._width = shape
        side = 1 << len(channels)
        start = (channels[0], -(-self._height // side), -(-self._width // side))
        layers: list[nn.Module] = [
            nn.Linear(inputs, math.prod(start), bias=False),  # a bias before batch norm would be subtracted again
            nn.Unflatten(1, start),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        ]
        for before, after in pairwise(channels):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.ConvTranspose2d(channels[-1], image_channels, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        images = torch.sigmoid(self.layers(noise).float())
        return images[..., : self._height, : self._width]
