"""Training pictures without their labels, for models that learn from those too."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.checkpoints.state import State
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
        self._cut: Final = partial(batches.training, indices, batch_size, ())
        self._shard = shard
        self._order = torch.Generator().manual_seed(seed)
        # no regularizer changes these pictures; those that are decoded while they are used are cropped at random
        self._crops = torch.Generator(device).manual_seed(seed)
        self._drawn = 0
        """Batches of this time round."""
        self._began = self._generators()
        self._stream = self._endless()

    def __len__(self) -> int:
        """Pictures, over all ranks."""
        return self._count

    def draw(self) -> Tensor:
        """This rank's part of the next batch: float32 (batch, *shape)."""
        return next(self._stream)

    def state(self) -> State:
        """The same on every rank."""
        order, crops = self._began
        return {"order": order, "crops": crops, "drawn": self._drawn}

    def load_state(self, state: State) -> None:
        """Go on behind the batches that had been drawn."""
        self._order.set_state(state["order"])
        self._crops.set_state(state["crops"])
        self._drawn = state["drawn"]
        self._stream = self._endless()

    def _endless(self) -> Iterator[Tensor]:
        while True:
            self._began = self._generators()
            for inputs, _ in self._cut(self._order, self._crops, self._shard, skip=self._drawn):
                self._drawn += 1
                yield inputs
            self._drawn = 0

    def _generators(self) -> tuple[Tensor, Tensor]:
        """Where the generators stand."""
        return self._order.get_state(), self._crops.get_state()


def _level(batches: Batches, value: float, device: torch.device) -> Tensor:
    return batches.standardise(torch.full((1, batches.shape[-3], 1, 1), value, device=device))
