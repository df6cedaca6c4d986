"""What the peers of the Fashion-MNIST grid are asked, and what they print."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.fashion.configurations import Configuration, first

if TYPE_CHECKING:
    from ray.tune import ResultGrid


@dataclass(frozen=True)
class Asked:
    """From the command line."""

    configurations: tuple[Configuration, ...]
    epochs: int


def asked() -> Asked:
    """`--trials N --epochs E`, and `--part I/K` for every K-th trial from the I-th on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--part", default="0/1")
    options = parser.parse_args()
    start, step = map(int, options.part.split("/"))
    return Asked(first(options.trials)[start::step], options.epochs)


def print_report(accuracies: Sequence[float]) -> None:
    """One JSON object: how many trials ran, and their mean test accuracy, by which to see that they are the same work."""
    print(json.dumps({"trials": len(accuracies), "test_accuracy": sum(accuracies) / len(accuracies)}), flush=True)


def test_accuracies(results: "ResultGrid") -> list[float]:
    """What the trials of a Tune peer have reported. Raises SystemExit when one has reported nothing."""
    metrics = [results[index].metrics or {} for index in range(len(results))]
    if results.errors or not all("test_accuracy" in reported for reported in metrics):
        raise SystemExit(f"not every trial has a result: {results.errors}")
    return [reported["test_accuracy"] for reported in metrics]
