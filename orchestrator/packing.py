"""How much of a GPU each trial is given. Pure.

A share that the cluster file gives holds for all. With `auto` the first trials of each family (a data set, a model, a
batch) have a device to themselves; their peak memory is measured, and those that come later are placed by it.
"""

import math
from dataclasses import replace
from typing import Final, Literal

from orchestrator.cell import Cell
from orchestrator.engine import Shape

MARGIN: Final = 1.25
"""Beyond the allocator's peak: fragments, and what another optimizer or regularizer of the family adds."""
CONTEXT_BYTES: Final = 800 * 2**20
"""What a process takes of a device beside torch's allocator: CUDA's context and its libraries' work space."""
MOST_SHARING: Final = 8
"""Trials on one device at most: their kernels take turns, and each process has a CPU too."""

_Family = tuple[str, str, int, int, str]


class Packing:
    """Gives each cell the shape that its trials need of a slot."""

    def __init__(self, gpu_share: float | Literal["auto"] = 1.0) -> None:
        self._share = gpu_share
        self._measured: dict[_Family, float] = {}

    def shape(self, cell: Cell, *, alone: bool = False) -> Shape:
        """alone: it ran out of memory beside others. The workers of a gang have whole devices in any case."""
        shape = cell.shape
        if shape.workers > 1:
            return shape
        if alone:
            return replace(shape, gpus=math.ceil(shape.gpus), alone=True)
        if self._share == "auto":
            return replace(shape, gpus=self._measured.get(_family(cell), 1.0)) if shape.gpus == 1 else shape
        return replace(shape, gpus=shape.gpus * self._share)

    def measured(self, cell: Cell, peak_bytes: int | None, device_bytes: int | None) -> bool:
        """A trial of the cell has ended. True where its family's shape is another from now on."""
        if self._share != "auto" or not peak_bytes or not device_bytes or cell.shape.workers > 1:
            return False
        family = _family(cell)
        fit = int(device_bytes / (peak_bytes * MARGIN + CONTEXT_BYTES))
        share = 1.0 / max(1, min(fit, MOST_SHARING))
        before = self._measured.get(family)
        if before is not None and share <= before:  # the greatest that was seen: it never shrinks
            return False
        self._measured[family] = share
        return share != (before or 1.0)


def _family(cell: Cell) -> _Family:
    protocol = cell.protocol
    return cell.dataset.label, cell.model.label, protocol.batch_size, protocol.accumulate, protocol.precision
