"""Whether a net that was written elsewhere still gives what it gave."""

from typing import Final

import torch
from torch import nn

from trainables.errors import TrainablesError
from trainables.stages.parent import ParentNet

_EQUAL: Final = 1e-4
"""Of the largest output: what another order of sums changes in single precision, with room to spare."""
_SIZES: Final = (1, 7, 256)
"""Examples at once: a graph may have been written for the number that it was written with."""


class ParityError(TrainablesError):
    """An exported net gives something else than the net it was made of."""


def require_parity(net: nn.Module, exported: nn.Module, parent: ParentNet) -> None:
    """Compare both on stored validation examples, in batches of several sizes. Raises ParityError."""
    for size in _SIZES:
        pixels = parent.some_pixels(size)
        with torch.inference_mode():
            wanted, given = net(pixels), exported(pixels)
        difference, scale = float((given - wanted).abs().max()), float(wanted.abs().max())
        if not difference <= _EQUAL * scale:
            raise ParityError(
                f"what was exported differs by {difference:.3g} from the net, whose outputs reach {scale:.3g},"
                f" with {size} {'example' if size == 1 else 'examples'} at once"
            )
