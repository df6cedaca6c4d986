"""What a trained net takes, for whoever uses it without its data set."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from trainables.data.batches import Batches
from trainables.data.splits import Split
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import DataInfo, Dataset, Examples
from trainables.interfaces import TrainingFacts
from trainables.training.prepare import Prepared
from trainables.training.weights_origin import WeightsOrigin

CPU = torch.device("cpu")


@dataclass(frozen=True)
class NetInputs:
    """The inputs of a net, and by what their pixels are standardised."""

    info: DataInfo
    mean: tuple[float, ...]
    """Of each channel, of pixels in 0..1."""
    std: tuple[float, ...]

    @classmethod
    def of_weights(
        cls, dataset: Dataset, origin: WeightsOrigin, classes: tuple[str, ...], positive: str | None
    ) -> Self:
        """Of a classifier of images, as its weights and its rows tell."""
        info = DataInfo(
            dataset.name,
            "image",
            origin.shape,
            "classification",
            classes,
            preprocess=dataset.preprocess,
            positive=positive,
        )
        channels = origin.shape[0]
        mean, std = (each * channels if len(each) == 1 else each for each in (origin.mean, origin.std))
        return cls(info, mean, std)

    @classmethod
    def of_data(cls, data: Prepared) -> Self:
        """Of what its data set says."""
        channels = data.info.channels
        return cls(data.info, data.facts.mean or (0.0,) * channels, data.facts.std or (1.0,) * channels)

    @property
    def statistics(self) -> ChannelStatistics:
        return ChannelStatistics(np.array(self.mean, np.float32), np.array(self.std, np.float32))

    def batches(self, stored: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Batches:
        """Batches of inputs, (examples, *shape) as they are stored, on the CPU."""
        count = len(stored)
        examples = Examples(stored, np.zeros(count, np.int64), np.zeros(count, np.bool_))
        return Batches(examples, self.statistics, CPU, channels_last=self.info.input == "image")

    def without_data(self, noise: int = 0) -> Prepared:
        """What a net is built by, without its data.

        noise: so many inputs of random pixels stand where the validation split does. A net that is written down has to be
        shown some, and nothing of the data may come into a file that leaves this machine.
        """
        nothing = np.empty(0, np.int64)
        drawn = np.random.default_rng(0).integers(0, 256, (noise, *self.info.shape), np.uint8)
        split = Split(train=nothing, val=np.arange(noise), test=nothing, dropped=0)
        # as many of each class: what is built may weigh a loss by them, and nothing is trained
        facts = TrainingFacts((1,) * len(self.info.classes), self.mean, self.std)
        return Prepared(self.info, split, self.batches(drawn), facts)
