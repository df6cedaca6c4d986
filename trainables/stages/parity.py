"""Whether a net that was written elsewhere still gives what it gave."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainables.data.batches import Batches
from trainables.errors import TrainablesError
from trainables.stages.parent import ParentNet

_EQUAL: Final = 1e-4
"""Of the largest output: what another order of sums changes in single precision, with room to spare."""
_SIZES: Final = (1, 7, 256)
"""Examples at once: a graph may have been written for the number that it was written with."""


_AT_ONCE: Final = 64
"""Batches that are looked at of those sizes that are not the largest."""


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


@dataclass(frozen=True, slots=True)
class Parity:
    """How far what a file gives is from what a net gives."""

    batch: int
    """Examples at once."""
    examples: int
    max_abs_difference: float
    """Of any output."""
    scale: float
    """The greatest output of the net, in magnitude."""
    agreement: float | None
    """Share of the examples of which both say the same class; None where there are no classes."""

    @property
    def is_same(self) -> bool:
        """Whether they differ by no more than another order of sums makes of the same net."""
        return self.max_abs_difference <= _EQUAL * self.scale


def parities(
    net: nn.Module, exported: nn.Module, batches: Batches, examples: NDArray[np.int64], *, largest: int, classes: bool
) -> Iterator[Parity]:
    """With one example at once, with seven, and with `largest`, which has all of the examples; the others some.

    net: takes standardised inputs; exported: takes them as they are stored.
    """
    for size in (*_SIZES[:-1], largest):
        chosen = examples if size == largest else examples[: size * _AT_ONCE]
        difference = scale = 0.0
        same = 0
        pairs = zip(_inputs(batches, chosen, size), _inputs(batches.as_stored(), chosen, size), strict=True)
        with torch.inference_mode():
            for inputs, stored in pairs:
                wanted, given = net(inputs).float(), exported(stored).float()
                difference = max(difference, float((given - wanted).abs().max()))
                scale = max(scale, float(wanted.abs().max()))
                same += int((given.argmax(dim=1) == wanted.argmax(dim=1)).sum())
        yield Parity(size, len(chosen), difference, scale, same / len(chosen) if classes else None)


def _inputs(batches: Batches, examples: NDArray[np.int64], size: int) -> Iterator[torch.Tensor]:
    return (inputs for inputs, _ in batches.evaluation(examples, size, lambda count: slice(0, count)))
