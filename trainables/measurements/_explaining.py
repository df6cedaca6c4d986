"""Maps of some test pictures by several methods, and what each method comes to on them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor

from trainables.data.cue import cue_masks
from trainables.errors import NoMap
from trainables.measurements._attributions import completeness_gap
from trainables.measurements._explanation_rows import ExplanationRow
from trainables.measurements._faithfulness import (
    centre_maps,
    chance_mass,
    curves,
    differing,
    mass_within,
    pointed_within,
    random_maps,
    redrawn,
    similarity,
    widened,
)
from trainables.measurements._maps import Maps, standardised
from trainables.stages.measured_net import MeasuredNet

_UNSEEING: Final = ("random", "centre")


@dataclass(frozen=True)
class Misled:
    """Test pictures that a net has given the class of their planted cue, against their own."""

    inputs: Tensor
    """Standardised, (n, *shape); there may be none."""
    targets: Tensor
    """int64 (n,): the cue's class."""
    masks: Tensor
    """bool (n, height, width): where the cue stands, and a pixel around it."""

    @classmethod
    def of(cls, net: MeasuredNet, pictures: int) -> Self | None:
        """The first so many; None where no cue is planted."""
        if net.data.cues is None:
            return None
        cues = net.data.cues[net.data.split.test]
        answered, own = (of.cpu().numpy() for of in (net.tested.outputs.argmax(dim=1), net.tested.targets))
        places = np.flatnonzero((answered == cues) & (cues != own))[:pictures]
        height, width = net.data.info.shape[-2:]
        masks = widened(torch.from_numpy(cue_masks(cues[places], height, width)))
        inputs = standardised(net.data, net.data.split.test[places])
        return cls(inputs, torch.from_numpy(cues[places]).to(inputs.device), masks)


@dataclass(frozen=True)
class Explained:
    """Test pictures of a net, with what its maps are measured against."""

    net: MeasuredNet
    inputs: Tensor
    """Standardised, (n, *shape)."""
    targets: Tensor
    """int64 (n,): what the net has answered."""
    maps: Maps
    called: str
    """The baseline of the maps."""
    of_random: Tensor
    """Deletion of a random map, float64 (n,)."""
    misled: Misled | None = None
    """None where no cue is planted."""

    @classmethod
    def of(cls, net: MeasuredNet, pictures: int, baseline: str) -> Self:
        """So many test pictures, drawn by the measurement's seed. baseline: `mean` or `black`."""
        places = net.some_tested(pictures)
        inputs = standardised(net.data, net.data.split.test[places])
        targets = net.answers(places).outputs.argmax(dim=1).to(inputs.device)
        asked = Maps.from_training(net.data, baseline, net.seed, net.context.check)
        height, width = inputs.shape[-2:]
        maps = random_maps(len(inputs), height, width, torch.Generator().manual_seed(net.seed))
        deletion = curves(net.module, inputs, targets, maps, asked.baseline).deletion
        misled = Misled.of(net, pictures)
        return cls(net, inputs, targets, asked, baseline, deletion, misled)

    def rows(self, methods: Iterable[str]) -> Iterator[ExplanationRow]:
        """A row for each method, behind those of the two maps that have not seen the net."""
        for method in _UNSEEING:
            yield self._pointing(self._row(method, self._unseeing(method, self.inputs), 0.0))
        untrained = redrawn(self.net.module, self.net.seed)
        for method in methods:
            self.net.context.check()
            started = time.perf_counter()
            try:
                maps = self.maps.of(method, self.net.module, self.inputs, self.targets)
                seconds = time.perf_counter() - started
                others = self.maps.of(method, untrained, self.inputs, self.targets)
                row = self._row(method, maps, seconds, likeness=self._likeness(maps, others))
                row = self._pointing(row)
            except NoMap as none:
                row = ExplanationRow(method=method, n=len(self.inputs), baseline=self.called, reason=str(none))
            yield row

    def _unseeing(self, method: str, inputs: Tensor) -> Tensor:
        """Maps of these inputs of which none has seen the net."""
        count, (height, width) = len(inputs), inputs.shape[-2:]
        if method == "centre":
            return centre_maps(count, height, width)
        return random_maps(count, height, width, torch.Generator().manual_seed(self.net.seed))

    def _pointing(self, row: ExplanationRow) -> ExplanationRow:
        """The row with what its method's maps of misled pictures point at, where a cue is planted. Raises NoMap."""
        misled = self.misled
        if misled is None:
            return row
        if not len(misled.inputs):
            return replace(row, misled=0)
        if row.method in _UNSEEING:
            maps = self._unseeing(row.method, misled.inputs)
        else:
            maps = self.maps.of(row.method, self.net.module, misled.inputs, misled.targets)
        return replace(
            row,
            misled=len(misled.inputs),
            pointing=float(pointed_within(maps, misled.masks).double().mean()),
            mass=float(mass_within(maps, misled.masks).mean()),
            mass_chance=float(chance_mass(misled.masks).mean()),
        )

    def _row(self, method: str, maps: Tensor, seconds: float, likeness: float | None = None) -> ExplanationRow:
        found = curves(self.net.module, self.inputs, self.targets, maps, self.maps.baseline)
        gains, n = self.of_random - found.deletion, len(self.inputs)
        gap = None
        if method == "integrated_gradients":
            gap = float(completeness_gap(self.net.module, self.inputs, self.targets, self.maps.baseline, maps).mean())
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

    def _likeness(self, maps: Tensor, others: Tensor) -> float | None:
        alike = similarity(maps, others, differing(self.inputs, self.maps.baseline).cpu())
        there = alike[~alike.isnan()]
        return float(there.mean()) if len(there) else None
