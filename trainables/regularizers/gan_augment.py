"""Generated training images (as in Antoniou et al. 2017 and Frid-Adar et al. 2018), by a conditional GAN."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trainables.component import Count, Counts, Positive
from trainables.context import Context
from trainables.dataset import DataInfo, Examples
from trainables.interfaces import Generated, Model, Regularizer
from trainables.training.image import grid

_SHOWN_CLASSES = 20
_SHOWN_OF_EACH = 10


class GanAugment(Regularizer):
    """Adds images to the training split, made by a small conditional GAN that was trained on it alone.

    The GAN is trained anew for each trial, before training, with Adam and in fp32 whatever the protocol says; what it
    takes is in `generation_seconds`, what it made in `generated_size`. Classes without a training example get none.
    """

    name: ClassVar[str] = "gan_augment"

    ratio: Positive = 1.0
    """Generated images for each training image."""
    balance: Literal["training", "uniform"] = "training"
    """Each class gets its share of the training split, or all classes equally many."""
    steps: Count = 2000
    """Steps of the GAN, each of its discriminator and its generator."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Of the GAN's steps."""
    lr: Positive = 2e-4
    """Of both networks of the GAN."""
    latent: Count = 64
    """Numbers of noise from which an image is made."""
    channels: Counts = (64, 32)
    """Feature maps of the GAN's generator, from the smallest maps on; its discriminator has them the other way round."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if data.input != "image":
            return f"gan_augment makes images, but {data.name} has {data.input} inputs"
        if data.streamed:
            return f"gan_augment needs its images in memory, but those of {data.name} are decoded during training"
        if reason := self.needs_classes(data):
            return reason
        if min(data.height, data.width) >> len(self.channels) < 1:
            size = f"{data.height}x{data.width}"
            return f"gan_augment halves the image {len(self.channels)} times, which leaves nothing of {size} pixels"
        return None

    def more_examples(self, train: Examples, data: DataInfo, seed: int, context: Context) -> Generated:
        import torch

        from trainables.models._conditional_gan import ConditionalGan, ConditionalGanSettings

        torch.manual_seed(seed)
        settings = ConditionalGanSettings(self.channels, self.latent, self.steps, self.batch_size, self.lr)
        gan = ConditionalGan(len(data.classes), data.shape, settings, context.device)
        inputs, targets = (torch.from_numpy(values).to(context.device) for values in (train.inputs, train.targets))
        gan.train(inputs, targets, context.check)
        present = np.bincount(train.targets, minlength=len(data.classes))
        labels = np.repeat(np.arange(len(present)), self._wanted(present))
        made = gan.images(torch.from_numpy(labels), inputs.dtype).numpy()
        shown = np.repeat(np.flatnonzero(present)[:_SHOWN_CLASSES], _SHOWN_OF_EACH)
        image = grid(gan.images(torch.from_numpy(shown)), _SHOWN_OF_EACH)
        return Generated(Examples(made, labels, np.zeros(len(labels), dtype=np.bool_)), image)

    def _wanted(self, present: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many to make of each class."""
        if self.balance == "uniform":
            present = np.where(present > 0, present.sum() / np.count_nonzero(present), 0)
        wanted: NDArray[np.int64] = np.rint(self.ratio * present).astype(np.int64)
        return wanted
