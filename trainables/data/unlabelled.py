"""Training pictures without their labels, for models that learn from those too."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.batches import Batches, Shard


class UnlabelledBatches:
    """Batches of standardised pictures without end: each picture once, then all of them again in another order."""

    def __init__(
        self,
        batches: Batches,
        indices: NDArray[np.int64],
        batch_size: int,
        shard: Shard,
        seed: int,
        device: torch.device,
    ) -> None:
        """indices: of the training split and what was left out of it, never of validation or test.

        batch_size: over all ranks. seed: the same on every rank.
        """
        self.black: Final = _level(batches, 0.0, device)
        """What a pixel of 0 is after standardisation: (1, channels, 1, 1)."""
        self.white: Final = _level(batches, 1.0, device)
        self._count = len(indices)
        self._stream = _endless(batches, indices, batch_size, shard, seed, device)

    def __len__(self) -> int:
        """Pictures, over all ranks."""
        return self._count

    def draw(self) -> Tensor:
        """This rank's part of the next batch: float32 (batch, *shape)."""
        return next(self._stream)


def _endless(
    batches: Batches, indices: NDArray[np.int64], batch_size: int, shard: Shard, seed: int, device: torch.device
) -> Iterator[Tensor]:
    order = torch.Generator().manual_seed(seed)
    # no regularizer changes these pictures; those that are decoded while they are used are cropped at random
    crops = torch.Generator(device).manual_seed(seed)
    while True:
        for inputs, _ in batches.training(indices, batch_size, (), order, crops, shard):
            yield inputs


def _level(batches: Batches, value: float, device: torch.device) -> Tensor:
    return batches.standardise(torch.full((1, batches.shape[-3], 1, 1), value, device=device))
