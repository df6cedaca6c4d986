"""The training split with what regularizers make of it and add to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.context import Context
from trainables.data.checks import check_examples
from trainables.dataset import Examples, ImageArray
from trainables.errors import DataError
from trainables.interfaces import Regularizer
from trainables.spec import derived_seed
from trainables.training.prepare import Prepared

Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class ExtendedData:
    """A data set whose training split holds generated examples too; validation and test are as they were."""

    data: Prepared
    count: int
    """Examples that were added."""
    image: ImageArray | None


def add_generated(data: Prepared, regularizers: Sequence[Regularizer], seed: int, context: Context) -> ExtendedData:
    """Ask each regularizer; all are shown the training split as it was before any of them. The same on every rank.

    Raises DataError where what was made is not of the form of the data, and whatever a regularizer raises.
    """
    makers = [regularizer for regularizer in regularizers if _makes_examples(regularizer)]
    if not makers:
        return ExtendedData(data, 0, None)
    train = data.batches.examples(data.split.train)
    made = [
        maker.more_examples(train, data.info, derived_seed(f"generate {place}", seed), context)
        for place, maker in enumerate(makers)
    ]
    some = [generated for generated in made if generated is not None and len(generated.examples)]
    if not some:
        return ExtendedData(data, 0, None)
    images = [generated.image for generated in some if generated.image is not None]
    more = Examples(
        _of_first_rank(np.concatenate([generated.examples.inputs for generated in some]), context),
        np.concatenate([generated.examples.targets for generated in some]),
        np.zeros(sum(len(generated.examples) for generated in some), dtype=np.bool_),
    )
    check_examples(more, data.info)
    if more.inputs.dtype != train.inputs.dtype:
        raise DataError(f"generated inputs are {more.inputs.dtype}, those of {data.info.name} {train.inputs.dtype}")
    return ExtendedData(_joined(data, train, more), len(more), images[0] if images else None)


def _makes_examples(regularizer: Regularizer) -> bool:
    return type(regularizer).more_examples is not Regularizer.more_examples


def _of_first_rank(inputs: Pixels, context: Context) -> Pixels:
    """Two GPUs need not compute the same to the last bit."""
    if context.world_size == 1:
        return inputs
    mine = torch.from_numpy(inputs).to(context.device)
    first = context.all_reduce(mine if context.rank == 0 else torch.zeros_like(mine))
    pixels: Pixels = first.to(mine.dtype).cpu().numpy()
    return pixels


def _joined(data: Prepared, train: Examples, more: Examples) -> Prepared:
    batches, added = data.batches.joined(more)
    split = replace(data.split, train=np.concatenate([data.split.train, added]))
    targets = np.concatenate([train.targets, more.targets])
    counts = np.bincount(targets, minlength=len(data.info.classes)) if data.info.classes else np.empty(0)
    facts = replace(data.facts, class_counts=tuple(int(count) for count in counts))
    return replace(data, split=split, batches=batches, facts=facts)
