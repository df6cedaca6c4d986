"""A conditional GAN (Mirza and Osindero 2014) of convolutions (Radford et al. 2016): images of a given class."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.errors import TrainablesError
from trainables.models._gan_networks import Generator

_BETAS: Final = (0.5, 0.999)
"""Of Adam (Radford et al. 2016, section 4)."""
_AT_ONCE: Final = 500
"""Images generated in one batch."""


@dataclass(frozen=True, slots=True)
class ConditionalGanSettings:
    """How it is built and trained."""

    channels: tuple[int, ...]
    """Feature maps of the generator, from the smallest maps on; the discriminator has them the other way round."""
    latent: int
    steps: int
    batch_size: int
    lr: float


class ConditionalGan:
    """A generator of images in 0..1 under a label, learnt from labelled ones."""

    def __init__(
        self, classes: int, shape: tuple[int, ...], settings: ConditionalGanSettings, device: torch.device
    ) -> None:
        """Draws the first weights from torch's global generator. shape: of an image: (channels, height, width)."""
        self._classes, self._settings, self._device = classes, settings, device
        self._generator = Generator(settings.latent + classes, settings.channels, shape).to(device)
        self._discriminator = _Discriminator(classes, settings.channels[::-1], shape).to(device)

    def train(self, images: Tensor, labels: Tensor, check: Callable[[], None]) -> None:
        """Learn from batches drawn with replacement, by torch's global generator.

        images: uint8 in 0..255 or floats in 0..1, (examples, *shape), on any device; labels: int64 (examples,). check:
        called before every step, may raise.
        """
        of_discriminator, of_generator = self._adam(self._discriminator), self._adam(self._generator)
        for real, wanted in self._batches(images, labels):
            check()
            fake = self._generator(self._noise(wanted))
            verdicts = self._discriminator(real, wanted), self._discriminator(fake.detach(), wanted)
            # -log D(real) - log(1 - D(fake))
            _step(of_discriminator, F.softplus(-verdicts[0]).mean() + F.softplus(verdicts[1]).mean())
            # -log D(fake): the form that does not saturate (Goodfellow et al. 2014, section 3)
            _step(of_generator, F.softplus(-self._discriminator(fake, wanted)).mean())

    def images(self, labels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Generate an image for each label, from torch's global generator: (labels, *shape) on the CPU.

        dtype: float32 for values in 0..1, uint8 for 0..255. Raises TrainablesError where training has diverged.
        """
        self._generator.eval()
        with torch.inference_mode():
            made = [self._made(some.to(self._device), dtype) for some in torch.split(labels, _AT_ONCE)]
        self._generator.train()
        return torch.cat(made)

    def _made(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        images: Tensor = self._generator(self._noise(labels))
        if not bool(torch.isfinite(images).all()):
            steps, lr = self._settings.steps, self._settings.lr
            raise TrainablesError(f"a GAN has diverged within its {steps} steps; use a smaller lr than {lr:g} for it")
        return (images * 255).round().byte().cpu() if dtype == torch.uint8 else images.cpu()

    def _batches(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        scale = 255 if images.dtype == torch.uint8 else 1
        for _ in range(self._settings.steps):
            # drawn where they are used: an upload in each step would have a GPU wait for it
            chosen = torch.randint(len(images), (self._settings.batch_size,), device=images.device)
            yield images[chosen].to(self._device) / scale, labels[chosen].to(self._device)

    def _noise(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), self._settings.latent, device=self._device)
        return torch.cat((noise, F.one_hot(labels, self._classes)), dim=1)

    def _adam(self, module: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(module.parameters(), lr=self._settings.lr, betas=_BETAS, fused=True)


class _Discriminator(nn.Module):
    """Images in 0..1 and labels to (examples,) logits of being real; the label is given as a plane for each class."""

    def __init__(self, classes: int, channels: Sequence[int], shape: tuple[int, ...]) -> None:
        super().__init__()
        before, height, width = shape[0] + classes, shape[1], shape[2]
        layers: list[nn.Module] = []
        for after in channels:
            # no batch norm at the input (Radford et al. 2016, section 3)
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not layers))
            layers += [nn.BatchNorm2d(after)] if len(layers) > 1 else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            before, height, width = after, height // 2, width // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * height * width, 1))
        self._classes = classes

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        planes = F.one_hot(labels, self._classes)[..., None, None].expand(-1, -1, *images.shape[2:])
        logits: Tensor = self.layers(torch.cat((images * 2 - 1, planes), dim=1))
        return logits.squeeze(1)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()
