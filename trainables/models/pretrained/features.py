"""What a frozen net makes of each image, computed once in place of once an epoch, and once a node where trials share it.

Nothing before the head learns, so an image gives the same features in every epoch, as long as no regularizer changes
images. Features are kept as images of one pixel with a channel each, so that everything else works as on images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.batches import Batches, Shard
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import Examples
from trainables.interfaces import Regularizer
from trainables.models.pretrained.shared_features import shared_features
from trainables.models.pretrained.tuning import TunedNet, head_of
from trainables.protocol import Protocol
from trainables.training.evaluate import predict
from trainables.training.prepare import Prepared, SharedInputs

_MAX_NUMBERS: Final = 1 << 22
"""Of a batch of images."""
_COLOURS: Final = 3
"""Features have to be told from images."""
_MAX_BYTES: Final = 2 << 30
"""Of features of one net and data set; more stay images."""
_LEAST_NEEDED: Final = 0.1
"""Share of a data set that a trial needs in its splits, so that features of all of it are computed."""


def with_features(
    model: str,
    module: TunedNet,
    data: Prepared,
    regularizers: Sequence[Regularizer],
    protocol: Protocol,
    context: Context,
) -> Prepared:
    """The same data as features for the head of `module`, which from then on reads both; or the data as it is.

    It stays as it is where more than the head learns, where a regularizer changes images, where the module is to be
    compiled, and where the net does more after its head, or drops units before it. model: its canonical form.
    """
    head = head_of(module.net)[1]
    split = data.split
    used = np.concatenate([split.train, split.val])
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
    if (shared := _worth_sharing(data, head, context)) is not None:
        found = shared_features(model, module, seeing, head, shared, protocol)
        # labels are the trial's own (`label_noise`, `per_class`)
        features, known = Examples(found[:, :, None, None], *_labels(data)), np.arange(len(found))
    else:
        features, known = _own(seeing, data, used, protocol, context), used
    module.read_features(head)
    return replace(data, batches=_FeatureBatches(features, known, context.device, data.batches))


def _worth_sharing(data: Prepared, head: nn.Linear, context: Context) -> SharedInputs | None:
    """Return what features of all examples are computed of, or None where this trial computes those that it needs.

    Workers of one trial compute a part each: none waits for another's node longer than their group's time-out allows.
    """
    shared, split = data.shared, data.split
    if shared is None or context.world_size > 1 or len(shared.inputs) * head.in_features * 4 > _MAX_BYTES:
        return None
    needed = len(split.train) + len(split.val) + len(split.test)
    return shared if needed >= _LEAST_NEEDED * len(shared.inputs) else None


def _labels(data: Prepared) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    targets: NDArray[Any] = data.batches.stored.targets.cpu().numpy()
    return targets, np.zeros(len(targets), np.bool_)


def _own(seeing: nn.Module, data: Prepared, used: NDArray[np.int64], protocol: Protocol, context: Context) -> Examples:
    """Features of the examples that are used in training; zeros stand for the others."""
    # the test split is read after training, and not before
    outputs, targets = predict(seeing, data.batches, used, protocol, context)
    inputs = np.zeros((int(used.max()) + 1, outputs.shape[1], 1, 1), np.float32)
    inputs[used] = outputs.cpu().numpy()[:, :, None, None]
    given = targets.cpu().numpy()
    labels = np.zeros((len(inputs), *given.shape[1:]), given.dtype)
    labels[used] = given
    return Examples(inputs, labels, np.zeros(len(inputs), bool))


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
