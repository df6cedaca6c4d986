"""Maps of some inputs by any of the methods, as the measurement `explain` asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.errors import NoMap
from trainables.measurements._attributions import expected_gradients, integrated_gradients, occlusion, saliency
from trainables.measurements._grad_cam import grad_cam
from trainables.training.prepare import Prepared

_BATCH: Final = 32
"""Pictures that are explained at once: a gradient keeps all that a pass computes of them."""
_MEANT: Final = 2_000
"""Training pictures whose mean is the baseline, at most."""
_REFERENCES: Final = 100
"""Training pictures that expected gradients draw from, at most."""


@dataclass(frozen=True)
class Maps:
    """What stands in place of a pixel that is not there, and what is drawn."""

    baseline: Tensor
    """(*shape), standardised."""
    references: Tensor | None
    """Standardised training pictures, which expected gradients draw from; None where there are none at hand."""
    seed: int
    check: Callable[[], None] = lambda: None
    """Called before each batch; raises where the work has to end."""

    @classmethod
    def from_training(cls, data: Prepared, baseline: str, seed: int, check: Callable[[], None] = lambda: None) -> Self:
        """With what the training split has, drawn by the seed. baseline: `mean` or `black`."""
        trained = np.random.default_rng(seed).permutation(data.split.train)
        some = standardised(data, trained[:_MEANT]).float()
        absent = some.mean(dim=0) if baseline == "mean" else black(data).expand_as(some[0])
        return cls(absent, some[:_REFERENCES], seed, check)

    def of(self, method: str, net: nn.Module, every: Tensor, answered: Tensor) -> Tensor:
        """Of all of these inputs, for these classes: float32 (n, height, width) on the CPU. Raises NoMap where the net has
        none of this method.
        """
        generator = torch.Generator().manual_seed(self.seed)
        found = []
        for start in range(0, len(every), _BATCH):
            self.check()
            inputs, targets = every[start : start + _BATCH], answered[start : start + _BATCH]
            match method:
                case "grad_cam":
                    maps = grad_cam(net, inputs, targets)
                case "saliency":
                    maps = saliency(net, inputs, targets)
                case "integrated_gradients":
                    maps = integrated_gradients(net, inputs, targets, self.baseline)
                case "occlusion":
                    maps = occlusion(net, inputs, targets, self.baseline)
                case _:
                    maps = expected_gradients(net, inputs, targets, self._references(), generator)
            found.append(maps.cpu())
        return torch.cat(found)

    def _references(self) -> Tensor:
        if self.references is None:
            raise NoMap("it takes training pictures to compare with, and the data set is not on this machine")
        return self.references


def standardised(data: Prepared, indices: NDArray[np.int64]) -> Tensor:
    """(n, *shape): these examples as the net takes them."""
    inputs, _ = next(data.batches.evaluation(indices, len(indices), lambda count: slice(0, count)))
    return inputs


def black(data: Prepared) -> Tensor:
    """A pixel of 0 as the net takes it: (channels, 1, 1)."""
    _, shift = data.batches.scale_and_shift()
    return data.batches.standardise(torch.zeros(1, data.info.channels, 1, 1, device=shift.device))[0]
