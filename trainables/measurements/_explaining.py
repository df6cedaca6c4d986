"""Maps of some test pictures by several methods, and what each method comes to on them."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainables.errors import NoMap
from trainables.measurements._attributions import (
    completeness_gap,
    expected_gradients,
    integrated_gradients,
    occlusion,
    saliency,
)
from trainables.measurements._explanation_rows import ExplanationRow
from trainables.measurements._faithfulness import (
    centre_maps,
    curves,
    differing,
    random_maps,
    redrawn,
    similarity,
)
from trainables.measurements._grad_cam import grad_cam
from trainables.stages.measured_net import MeasuredNet

_BATCH: Final = 32
"""Pictures that are explained at once: a gradient keeps all that a pass computes of them."""
_MEANT: Final = 2_000
"""Training pictures whose mean is the baseline, at most."""
_REFERENCES: Final = 100
"""Training pictures that expected gradients draw from, at most."""

Maps = Callable[[nn.Module], Tensor]
"""Of any net of these layers, the maps of all pictures: float32 (n, height, width)."""


@dataclass(frozen=True)
class Explained:
    """Test pictures of a net, with what its maps are measured against."""

    net: MeasuredNet
    inputs: Tensor
    """Standardised, (n, *shape)."""
    targets: Tensor
    """int64 (n,): what the net has answered."""
    baseline: Tensor
    """(*shape)."""
    called: str
    references: Tensor
    """Standardised training pictures."""
    of_random: Tensor
    """Deletion of a random map, float64 (n,)."""

    @classmethod
    def of(cls, net: MeasuredNet, pictures: int, baseline: str) -> Self:
        """So many test pictures, drawn by the measurement's seed. baseline: `mean` or `black`."""
        places = net.some_tested(pictures)
        inputs = _standardised(net, net.data.split.test[places])
        targets = net.answers(places).outputs.argmax(dim=1).to(inputs.device)
        trained = np.random.default_rng(net.seed).permutation(net.data.split.train)
        some = _standardised(net, trained[:_MEANT])
        absent = some.mean(dim=0) if baseline == "mean" else net.black.expand_as(some[0])
        height, width = inputs.shape[-2:]
        maps = random_maps(len(inputs), height, width, torch.Generator().manual_seed(net.seed))
        deletion = curves(net.module, inputs, targets, maps, absent).deletion
        return cls(net, inputs, targets, absent, baseline, some[:_REFERENCES], deletion)

    def rows(self, methods: Iterable[str]) -> Iterator[ExplanationRow]:
        """A row for each method, behind those of the two maps that have not seen the net."""
        height, width = self.inputs.shape[-2:]
        generator = torch.Generator().manual_seed(self.net.seed)
        yield self._row("random", random_maps(len(self.inputs), height, width, generator), 0.0)
        yield self._row("centre", centre_maps(len(self.inputs), height, width), 0.0)
        untrained = redrawn(self.net.module, self.net.seed)
        for method in methods:
            self.net.context.check()
            started = time.perf_counter()
            try:
                maps = self._maps(method, self.net.module)
                seconds = time.perf_counter() - started
                row = self._row(method, maps, seconds, likeness=self._likeness(maps, self._maps(method, untrained)))
            except NoMap as none:
                row = ExplanationRow(method=method, n=len(self.inputs), baseline=self.called, reason=str(none))
            yield row

    def _row(self, method: str, maps: Tensor, seconds: float, likeness: float | None = None) -> ExplanationRow:
        found = curves(self.net.module, self.inputs, self.targets, maps, self.baseline)
        gains, n = self.of_random - found.deletion, len(self.inputs)
        gap = None
        if method == "integrated_gradients":
            gap = float(completeness_gap(self.net.module, self.inputs, self.targets, self.baseline, maps).mean())
        return ExplanationRow(
            method=method,
            n=n,
            baseline=self.called,
            deletion=float(found.deletion.mean()),
            insertion=float(found.insertion.mean()),
            deletion_gain=None if method == "random" else float(gains.mean()),
            deletion_gain_error=None if method == "random" or n < 2 else float(gains.std() / n**0.5),
            similarity=likeness,
            completeness_gap=gap,
            seconds=seconds,
        )

    def _maps(self, method: str, net: nn.Module) -> Tensor:
        """Raises NoMap where the net has none of this method."""
        generator = torch.Generator().manual_seed(self.net.seed)
        starts = range(0, len(self.inputs), _BATCH)
        parts = ((self.inputs[start : start + _BATCH], self.targets[start : start + _BATCH]) for start in starts)
        found = []
        for inputs, targets in parts:
            self.net.context.check()
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
                    maps = expected_gradients(net, inputs, targets, self.references, generator)
            found.append(maps.cpu())
        return torch.cat(found)

    def _likeness(self, maps: Tensor, others: Tensor) -> float | None:
        alike = similarity(maps, others, differing(self.inputs, self.baseline).cpu())
        there = alike[~alike.isnan()]
        return float(there.mean()) if len(there) else None


def _standardised(net: MeasuredNet, indices: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Tensor:
    """(n, *shape): these examples as the net takes them."""
    batches = net.data.batches.evaluation(indices, len(indices), lambda count: slice(0, count))
    inputs, _ = next(batches)
    return inputs
