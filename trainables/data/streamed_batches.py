"""Batches of examples that are decoded while they are trained on."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.batches import Batches
from trainables.data.decoding import Decoding
from trainables.data.statistics import ChannelStatistics, pixel_scale, statistics_of
from trainables.dataset import DataInfo
from trainables.streamed import StreamedExamples

_MOST_KEYS: Final = 2**62
_SAMPLE: Final = 1000
"""Examples whose statistics stand for the training split's: of ImageNet, known to within half a hundredth of the range."""
_PART: Final = 16
"""Examples of the sample that are in memory at a time."""


class StreamedBatches(Batches):
    """The same surface as `Batches`; at most three batches are in memory."""

    def __init__(
        self,
        examples: StreamedExamples,
        info: DataInfo,
        train: NDArray[np.int64],
        seed: int,
        device: torch.device,
    ) -> None:
        """train: the training split; where it is standardised by its statistics, they are of a sample drawn with `seed`.

        Decodes with as many threads as torch may use, which is what the slot has CPUs. Raises BrokenPicture.
        """
        self.shape = info.shape
        self._decoding = Decoding(examples.decoder, info.shape, threads=torch.get_num_threads())
        self._labels = examples.targets
        self._standardise_by(self._scale(info, train, seed), device, channels_last=info.input == "image")

    def _scale(self, info: DataInfo, train: NDArray[np.int64], seed: int) -> ChannelStatistics:
        if info.preprocess != "standardize":
            return pixel_scale(np.empty((0, *info.shape), np.uint8), train, info.preprocess)
        sample = train
        if len(train) > _SAMPLE:
            sample = np.sort(np.random.default_rng(seed).choice(train, _SAMPLE, replace=False))
        parts = (sample[start : start + _PART] for start in range(0, len(sample), _PART))
        return statistics_of(self._decoding.read(parts, None))

    def _beside(self, indices: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(indices)

    def _gathered(self, parts: Iterable[Tensor], augment: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        chosen: list[NDArray[np.int64]] = []

        def noted() -> Iterator[NDArray[np.int64]]:
            for part in parts:
                chosen.append(part.numpy())
                yield chosen[-1]

        for inputs in self._decoding.read(noted(), _key(augment)):
            targets = self._labels[chosen.pop(0)]
            yield torch.from_numpy(inputs).to(self._device), torch.from_numpy(targets).to(self._device)


def _key(augment: torch.Generator | None) -> int | None:
    """What an epoch's random parts are drawn by."""
    if augment is None:
        return None
    return int(torch.randint(_MOST_KEYS, (1,), generator=augment, device=augment.device))
