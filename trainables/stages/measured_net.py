"""The net that a measurement is about, with the test split that its trial was measured on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.batches import Batches
from trainables.data.cache import refuse_other_content
from trainables.data.image_dataset import Cell, HasColumns, no_column
from trainables.dataset import Examples
from trainables.errors import DataError, UnfitOption
from trainables.protocol import Protocol
from trainables.task import Task
from trainables.training.evaluate import Outputs, predict
from trainables.training.prepare import Prepared


def as_pixels(stored: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.uint8]:
    """Images as a data set stores them, (n, channels, height, width), in 0 to 255."""
    if stored.dtype == np.uint8:
        return np.asarray(stored, np.uint8)
    return np.asarray(np.rint(stored * np.float32(255)).clip(0, 255), np.uint8)


@dataclass(frozen=True)
class MeasuredNet:
    """A trained net, evaluating."""

    module: nn.Module
    """(batch, *shape), standardised, to outputs."""
    task: Task
    data: Prepared
    protocol: Protocol
    context: Context
    tested: Outputs
    """What it gives for the test split, in its order."""
    seed: int
    """The measurement's own."""

    def some_tested(self, count: int) -> NDArray[np.int64]:
        """(n,): the places in the test split of so many examples, drawn by the seed; all where it has no more."""
        size = len(self.data.split.test)
        if count >= size:
            return np.arange(size)
        return np.sort(np.random.default_rng(self.seed).choice(size, count, replace=False)).astype(np.int64)

    def images(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(n, channels, height, width): these examples of the test split, 0 to 255."""
        return as_pixels(self.data.batches.examples(self.data.split.test[places]).inputs)

    def answers(self, places: NDArray[np.int64]) -> Outputs:
        """What it gives for these examples of the test split as they are."""
        chosen = torch.from_numpy(places).to(self.tested.outputs.device)
        return Outputs(self.tested.outputs[chosen], self.tested.targets[chosen])

    def answers_to(self, images: NDArray[np.uint8], places: NDArray[np.int64]) -> Outputs:
        """What it gives for other images in the place of these examples. images: (n, channels, height, width)."""
        targets = self.answers(places).targets.cpu().numpy()
        shown = Examples(images, targets, np.zeros(len(images), np.bool_))
        batches = Batches(shown, self.data.batches.statistics, self.context.device, channels_last=True)
        found = predict(self.module, batches, np.arange(len(images)), self.protocol, self.context)
        self.module.eval()
        return found

    def logits(self, pixels: Tensor) -> Tensor:
        """Of pixels in 0..1, float32 (n, *shape), with its preprocessing: gradients come through."""
        outputs: Tensor = self.module(self.data.batches.standardise(pixels))
        return outputs

    def agrees(self) -> NDArray[np.bool_] | None:
        """(n,): whether the planted cue of each test example stands for its class. None where none is planted."""
        if self.data.cues is None:
            return None
        found: NDArray[np.bool_] = self.data.cues[self.data.split.test] == self.tested.targets.cpu().numpy()
        return found

    def cells(self, column: str) -> Iterator[Cell]:
        """What a column of the data says of each example of the whole data set.

        Raises DataError where the files are others by now, UnfitOption where they have no such column.
        """
        tested = self.data.tested
        dataset = None if tested is None else tested.dataset
        if tested is None or not isinstance(dataset, HasColumns):
            raise UnfitOption("path", no_column(column, ()))
        refuse_other_content(tested.dataset, tested.location, tested.fingerprint)
        if column not in (there := dataset.columns(tested.location)):
            raise UnfitOption("path", no_column(column, there))
        count = 0
        for cell in dataset.column(tested.location, column):
            count += 1
            yield cell
        if count != tested.count:
            raise DataError(
                f"{self.data.info.name}: the column {column} has {count:,} rows for {tested.count:,} examples"
            )

    @property
    def group_column(self) -> str | None:
        """Which column names the groups of the data, where one does."""
        tested = self.data.tested
        if tested is None or not isinstance(tested.dataset, HasColumns):
            return None
        return tested.dataset.group_column(tested.location)
