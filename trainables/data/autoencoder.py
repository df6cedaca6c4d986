"""A small denoising autoencoder, trained on the training split alone.

Vincent, Larochelle, Bengio and Manzagol 2008, "Extracting and Composing Robust Features with Denoising Autoencoders",
section 2.3: pixels are destroyed (set to 0) at random and the whole image is to be given back, through a bottleneck
that has no room for noise. Here it is convolutional, so that images of any size are cleaned by few parameters.
"""

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.data.pixels import Pixels, in_parts
from trainables.process_state.precision import numerics
from trainables.protocol import Protocol

STEPS: Final = 600
BATCH: Final = 64
CROP: Final = 32
"""Pixels of the side of what is trained on: a larger image is seen a part at a time."""
DESTROYED: Final = 0.25
"""Share of the numbers that are set to 0."""
_LR: Final = 2e-3
_WIDTH: Final = 32
_SHRUNK: Final = 4
"""Height and width are divided by this on the way through."""


class Autoencoder(nn.Module):
    """float32 images in 0..1 to the same, (images, channels, height, width), through half as many numbers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        code = channels * _SHRUNK**2 // 2
        self.encode = nn.Sequential(
            nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, code, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.decode = nn.Sequential(
            nn.ConvTranspose2d(code, _WIDTH, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(_WIDTH, channels, 4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        cleaned: Tensor = self.decode(self.encode(images))[..., :height, :width]
        return cleaned


def autoencoded(inputs: Pixels, train: NDArray[np.int64], seed: int, device: torch.device) -> Pixels:
    """Return all images as an autoencoder gives them back that has seen those at `train`, and no others.

    The same for the same seed on the same kind of device, whatever ran before and whatever precision the trial has.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), numerics(Protocol(deterministic=True)), torch.enable_grad():
        torch.manual_seed(seed)
        module = Autoencoder(inputs.shape[-3]).to(device)
        _train(module, inputs, train, np.random.Generator(np.random.PCG64(seed)), device)
    module.requires_grad_(False).eval()

    def cleaned(images: Tensor) -> Tensor:
        given: Tensor = module(images.to(device))
        return given.cpu()

    with numerics(Protocol(deterministic=True)):
        return in_parts(inputs, cleaned, inputs.shape[1:])


def _train(
    module: Autoencoder, inputs: Pixels, train: NDArray[np.int64], generator: np.random.Generator, device: torch.device
) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=_LR)
    scale = 255 if inputs.dtype == np.uint8 else 1
    for _ in range(STEPS):
        images = _crops(inputs[generator.choice(train, BATCH)], generator).to(device) / scale
        kept = torch.from_numpy(generator.random(images.shape, dtype=np.float32) >= DESTROYED).to(device)
        loss = F.mse_loss(module(images * kept), images)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch does not annotate it
        optimizer.step()


def _crops(chosen: Pixels, generator: np.random.Generator) -> Tensor:
    """One place of all images, at random; of a clip one frame, at random. (images, channels, height, width)."""
    if chosen.ndim > 4:
        frames = chosen.reshape(len(chosen), -1, *chosen.shape[-3:])
        chosen = frames[:, generator.integers(frames.shape[1])]
    top, left = (int(generator.integers(max(1, side - CROP + 1))) for side in chosen.shape[-2:])
    return torch.from_numpy(np.array(chosen[..., top : top + CROP, left : left + CROP], np.float32))
