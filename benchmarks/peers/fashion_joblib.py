"""The tight loop under joblib: two processes (loky), the arrays memory-mapped by it."""

import torch
from joblib import Parallel, delayed  # type: ignore[import-untyped]

from benchmarks.fashion.arrays import FashionArrays, load
from benchmarks.fashion.configurations import Configuration
from benchmarks.fashion.tight_loop import tensors, train_and_measure
from benchmarks.peers.fashion_report import asked, print_report


def trial(configuration: Configuration, arrays: FashionArrays, epochs: int) -> float:
    torch.set_num_threads(1)
    return train_and_measure(configuration, tensors(arrays), epochs)


def main() -> None:
    work = asked()
    arrays = load()
    run = Parallel(n_jobs=2, backend="loky")
    print_report(run(delayed(trial)(configuration, arrays, work.epochs) for configuration in work.configurations))


if __name__ == "__main__":
    main()
