"""What a frozen net makes of each image, computed once in place of once an epoch.

Nothing before the head learns, so an image gives the same features in every epoch, as long as no regularizer changes
images. Features are kept as images of one pixel with a channel each, so that everything else works as on images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.batches import Batches, Shard
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import Examples
from trainables.interfaces import Regularizer
from trainables.models.pretrained.tuning import TunedNet, head_of
from trainables.protocol import Protocol
from trainables.training.evaluate import predict
from trainables.training.prepare import Prepared

_MAX_NUMBERS: Final = 1 << 22
"""Of a batch of images."""
_COLOURS: Final = 3
"""Features have to be told from images."""
_MAX_BYTES: Final = 2 << 30
"""Of features; more stay images."""


def with_features(
    module: TunedNet, data: Prepared, regularizers: Sequence[Regularizer], protocol: Protocol, context: Context
) -> Prepared:
    """The same data as features for the head of `module`, which from then on reads both; or the data as it is.

    It stays as it is where more than the head learns, where a regularizer changes images, where the module is to be
    compiled, and where the net does more after its head, or drops units before it.
    """
    head = head_of(module.net)[1]
    split = data.split
    used = np.concatenate([split.train, split.val])  # the test split is read after training, and not before
    if (
        not isinstance(head, nn.Linear)
        or protocol.compile
        or any(type(regularizer).on_batch is not Regularizer.on_batch for regularizer in regularizers)
        or not module.learns_only(head)
        or head.in_features <= _COLOURS
        or len(used) * head.in_features * 4 > _MAX_BYTES
    ):
        return data
    seeing = _Features(module, head)
    if not seeing.are_all(data, used[:2], context):
        return data
    features, targets = predict(seeing, data.batches, used, protocol, context)
    module.read_features(head)
    inputs = np.zeros((int(used.max()) + 1, head.in_features, 1, 1), np.float32)
    inputs[used] = features.cpu().numpy()[:, :, None, None]
    given = targets.cpu().numpy()
    labels = np.zeros((len(inputs), *given.shape[1:]), given.dtype)
    labels[used] = given
    examples = Examples(inputs, labels, np.zeros(len(inputs), bool))
    return replace(data, batches=_FeatureBatches(examples, used, context.device, data.batches))


class _FeatureBatches(Batches):
    """Features of the examples that have them, images of the others."""

    def __init__(self, features: Examples, known: NDArray[np.int64], device: torch.device, images: Batches) -> None:
        count = features.inputs.shape[1]
        as_they_are = ChannelStatistics(np.zeros(count, np.float32), np.ones(count, np.float32))
        super().__init__(features, as_they_are, device, channels_last=False)
        self._known, self._images = known, images

    def evaluation(self, indices: NDArray[np.int64], batch_size: int, shard: Shard) -> Iterator[tuple[Tensor, Tensor]]:
        if np.isin(indices, self._known).all():
            return super().evaluation(indices, batch_size, shard)
        # a batch of features holds more examples than one of images should
        most = max(1, _MAX_NUMBERS // prod(self._images.shape))
        return self._images.evaluation(indices, min(batch_size, most), shard)


class _Features(nn.Module):
    """What reaches the head: (batch, *DataInfo.shape) to (batch, features)."""

    def __init__(self, module: TunedNet, head: nn.Linear) -> None:
        super().__init__()
        self.module, self.head = module, head

    def forward(self, inputs: Tensor) -> Tensor:
        return self._seen(inputs)[0]

    def are_all(self, data: Prepared, some: NDArray[np.int64], context: Context) -> bool:
        """Whether the outputs depend on the features and the head alone."""
        inputs, _ = next(data.batches.evaluation(some, len(some), lambda count: slice(0, count)))
        self.module.eval()
        with torch.inference_mode():
            features, outputs = self._seen(inputs)
            same = features.ndim == 2 and torch.equal(self.head(features), outputs)
        self.module.train()
        return same

    def _seen(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        try:
            outputs = self.module(inputs)
        finally:
            hook.remove()
        return torch.cat(seen), outputs
