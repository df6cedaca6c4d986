"""What a module gives for a split, without learning from it."""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.batches import Batches
from trainables.precision import autocast
from trainables.protocol import Protocol

_MOST_EXAMPLES: Final = 1000
_MOST_NUMBERS: Final = 1 << 22
"""Input numbers in an evaluation batch (16 MB), so that large pictures do not need memory that training never did."""
_CACHED_NUMBERS: Final = 1 << 18
"""The same on a CPU (1 MB): a small network's maps then stay in its cache, which is 1.6 times as fast as 1,000 at once."""
_LEAST_CACHED: Final = 16
"""Examples in a batch on a CPU, however large they are."""


class Outputs(NamedTuple):
    """Of a whole split, in its order."""

    outputs: Tensor
    """float32 (examples, outputs)."""
    targets: Tensor
    """As in `Examples`."""


def predict(
    module: nn.Module, batches: Batches, indices: NDArray[np.int64], protocol: Protocol, context: Context
) -> Outputs:
    """What the module gives for a split, the same on every rank.

    Leaves the module in training mode.
    """
    batch_size = _batch_size(batches, context.device)
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    casting = autocast(protocol, context.device)
    module.eval()
    with torch.inference_mode():
        for inputs, batch_targets in batches.evaluation(indices, batch_size, context.shard):
            with casting:
                outputs.append(module(inputs).float())
            targets.append(batch_targets)
    module.train()
    return Outputs(context.gather(torch.cat(outputs)), context.gather(torch.cat(targets)))


def _batch_size(batches: Batches, device: torch.device) -> int:
    numbers = int(np.prod(batches.shape))
    most = min(_MOST_EXAMPLES, _MOST_NUMBERS // numbers)
    if device.type == "cpu":
        most = min(most, max(_LEAST_CACHED, _CACHED_NUMBERS // numbers))
    return max(1, most)
