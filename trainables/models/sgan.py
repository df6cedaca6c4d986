"""The semi-supervised GAN as a classifier (Salimans et al. 2016, "Improved Techniques for Training GANs", section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.component import AnyCounts, Count, Counts
from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models.cnn import Cnn

if TYPE_CHECKING:
    from torch import nn

    from trainables.models._semi_supervised_gan import SemiSupervisedLearner
    from trainables.training.learner import LearnerParts


class Sgan(Model):
    """A `cnn` that also tells real images from a generator's, and so learns from unlabelled training images.

    The classifier is `cnn` with the same `channels`, `kernel` and `hidden`; it alone is evaluated, timed, counted and
    kept. Real images without labels are those of the training split and those that the data's `per_class` left out
    of it. The grid's optimizer trains both networks, each with a state of its own; regularizers act on the classifier.
    GANs learn best with `{name: adam, betas: [0.5, 0.999]}` (Radford et al. 2016, section 4).
    """

    name: ClassVar[str] = "sgan"

    channels: Counts = (32, 64)
    """Feature maps of each convolution of the classifier."""
    kernel: Count = 3
    """Side of the convolutions' kernels in pixels."""
    hidden: AnyCounts = (128,)
    """Units of each fully connected layer before the last; may be empty."""
    generator_channels: Counts = (64, 32)
    """Feature maps of the generator, from the smallest maps to the largest: each entry doubles the sides once."""
    latent: Count = 100
    """Numbers of noise from which the generator makes an image."""
    generator_loss: Literal["feature_matching", "standard"] = "feature_matching"
    """Match the mean features of real images (section 3.1), or be taken for real (Goodfellow et al. 2014)."""
    passes: Count | None = None
    """How often an epoch goes through the labelled examples; null: until it has seen each unlabelled image once."""

    def unsupported_reason(self, data: DataInfo) -> str | None:
        if reason := super().unsupported_reason(data):
            return reason
        if not data.classes:
            return f"sgan needs classes, but {data.name} has the task {data.task}"
        reason = self._classifier().unsupported_reason(data)
        return reason and f"the classifier of sgan is a cnn, and {reason}"

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        from trainables.models._gan_networks import Discriminator

        return Discriminator(self._classifier().build(data, outputs))

    def learner(self, parts: LearnerParts) -> SemiSupervisedLearner:
        """Make what takes a training step on a batch (see `training.learner.OwnLearner`)."""
        from trainables.models._semi_supervised_gan import Generating, SemiSupervisedLearner

        generating = Generating(self.latent, self.generator_channels, self.generator_loss, self.passes)
        return SemiSupervisedLearner(parts, generating)

    def _classifier(self) -> Cnn:
        return Cnn(channels=self.channels, kernels=(self.kernel,), hidden=self.hidden)
