"""Ray Tune as most people write it: data set and loaders are made inside the trial, everything else is the default."""

from dataclasses import asdict
from typing import Any

from benchmarks.peers.fashion_report import asked, print_report, test_accuracies
from benchmarks.peers.local_ray import local_ray


def trial(config: dict[str, Any]) -> None:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from ray import tune
    from torch.utils.data import DataLoader, Subset
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import Compose, Normalize, ToTensor

    from benchmarks.fashion.configurations import BATCH_SIZE, SPLIT_SEED, Configuration
    from benchmarks.fashion.network import network, optimizer, penalise

    transform = Compose([ToTensor(), Normalize((0.2860,), (0.3530,))])
    pool = FashionMNIST(config["root"], train=True, transform=transform)
    test = FashionMNIST(config["root"], train=False, transform=transform)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pool)).tolist()
    val, train = order[: len(pool) // 10], order[len(pool) // 10 :]
    train_loader = DataLoader(Subset(pool, train), batch_size=BATCH_SIZE, shuffle=True)
    val_loader = DataLoader(Subset(pool, val), batch_size=1000)
    clean_loader = DataLoader(Subset(pool, train[-10_000:]), batch_size=1000)
    test_loader = DataLoader(test, batch_size=1000)

    configuration = Configuration(**config["trial"])
    torch.manual_seed(0)
    module = network(configuration.dropout)
    stepper = optimizer(module, configuration, fast=False)

    def accuracy(loader: DataLoader[Any]) -> float:
        module.eval()
        correct = total = 0
        with torch.no_grad():
            for inputs, targets in loader:
                correct += (module(inputs).argmax(1) == targets).sum().item()
                total += len(targets)
        return correct / total

    for _ in range(config["epochs"]):
        module.train()
        for inputs, targets in train_loader:
            stepper.zero_grad()
            loss = F.cross_entropy(module(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            penalise(module, configuration)
            stepper.step()
        accuracy(val_loader)
    accuracy(clean_loader)
    tune.report({"val_accuracy": accuracy(val_loader), "test_accuracy": accuracy(test_loader)})


def main() -> None:
    work = asked()
    with local_ray() as folder:
        from ray import tune

        from benchmarks.fashion.arrays import unpack

        tuner = tune.Tuner(
            trial,
            param_space={
                "trial": tune.grid_search([asdict(configuration) for configuration in work.configurations]),
                "epochs": work.epochs,
                "root": str(unpack(folder)),
            },
            run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
        )
        print_report(test_accuracies(tuner.fit()))


if __name__ == "__main__":
    main()
