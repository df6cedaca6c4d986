"""The floor: the tight loop over all trials, in one process and on one thread."""

import torch

from benchmarks.fashion.arrays import load
from benchmarks.fashion.tight_loop import tensors, train_and_measure
from benchmarks.peers.fashion_report import asked, print_report


def main() -> None:
    work = asked()
    torch.set_num_threads(1)
    data = tensors(load())
    print_report([train_and_measure(configuration, data, work.epochs) for configuration in work.configurations])


if __name__ == "__main__":
    main()
