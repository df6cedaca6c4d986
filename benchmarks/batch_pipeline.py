"""Samples a second through the batch pipeline on one core: gather, augment, standardise.

`python benchmarks/batch_pipeline.py [--json]` cuts batches of 128 from 54,000 examples in the decoded cache's form (a
memory-mapped uint8 file) for several epochs and takes the fastest. The pixels are random: their values do not matter.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import torch

from trainables.data.batches import Batches
from trainables.data.statistics import channel_statistics
from trainables.dataset import Examples
from trainables.interfaces import Regularizer
from trainables.regularizers.augment import Augment

EXAMPLES: Final = 54_000
BATCH_SIZE: Final = 128
SHAPES: Final = ((1, 28, 28), (3, 32, 32))
PLAIN: Final[tuple[Regularizer, ...]] = ()


class Case(NamedTuple):
    label: str
    regularizers: Sequence[Regularizer]


CASES: Final = (
    Case("plain", PLAIN),
    Case("crop and flip", (Augment(crop=2, flip=True),)),
    Case("crop, flip and rotation", (Augment(crop=2, flip=True, rotation=15),)),
)


class Row(NamedTuple):
    shape: str
    case: str
    samples_per_second: int
    samples_per_cpu_second: int
    """The same where nothing else runs on the core."""


class Seconds(NamedTuple):
    wall: float
    cpu: float


def mapped(folder: Path, shape: tuple[int, ...]) -> Examples:
    """Examples as `decoded` gives them."""
    random = np.random.default_rng(0)
    path = folder / f"{len(shape)}-{shape[0]}.npy"
    np.save(path, random.integers(0, 256, (EXAMPLES, *shape), dtype=np.uint8))
    inputs = np.load(path, mmap_mode="r")
    return Examples(inputs, random.integers(0, 10, EXAMPLES), np.zeros(EXAMPLES, dtype=bool))


def fastest_epoch(batches: Batches, regularizers: Sequence[Regularizer], epochs: int) -> Seconds:
    """The least of each clock, which need not be of the same epoch."""
    order, augment = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    walls, cpus = [], []
    for _ in range(epochs):
        wall, cpu = time.perf_counter(), time.process_time()
        for _batch in batches.training(
            np.arange(EXAMPLES), BATCH_SIZE, regularizers, order, augment, lambda count: slice(0, count)
        ):
            pass
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Seconds(min(walls), min(cpus))


def measured(epochs: int) -> list[Row]:
    rows = []
    with TemporaryDirectory() as folder:
        for shape in SHAPES:
            examples = mapped(Path(folder), shape)
            statistics = channel_statistics(examples.inputs, np.arange(EXAMPLES))
            batches = Batches(examples, statistics, torch.device("cpu"), channels_last=True)
            for case in CASES:
                seconds = fastest_epoch(batches, case.regularizers, epochs)
                rates = (round(EXAMPLES / seconds.wall), round(EXAMPLES / seconds.cpu))
                rows.append(Row("x".join(map(str, shape)), case.label, *rates))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measured(options.epochs)
    if options.json:
        machine = {"machine": platform.machine(), "cpus": os.cpu_count(), "torch": torch.__version__}
        json.dump({**machine, "rows": [row._asdict() for row in rows]}, sys.stdout, indent=2)
        print()
        return
    print(f"{'shape':10} {'case':24} {'samples/s':>10} {'a CPU second':>12}")
    for row in rows:
        print(f"{row.shape:10} {row.case:24} {row.samples_per_second:>10,} {row.samples_per_cpu_second:>12,}")


if __name__ == "__main__":
    main()
