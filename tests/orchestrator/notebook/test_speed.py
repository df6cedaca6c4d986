"""By hand: two workloads, two optimizers, two seeds."""

import numpy as np
import pandas as pd

from orchestrator.grid.measures import time_to
from orchestrator.notebook.load import speed_profile

# data set, optimizer, seed, status, the epoch in which 0.9 is reached (0: never)
RUNS = [
    ("digits", "adam", 0, "completed", 2),
    ("digits", "adam", 1, "completed", 4),
    ("digits", "sgd", 0, "completed", 6),
    ("digits", "sgd", 1, "completed", 6),
    ("mnist", "adam", 0, "diverged", 0),
    ("mnist", "adam", 1, "completed", 0),
    ("mnist", "sgd", 0, "completed", 1),
    ("mnist", "sgd", 1, "completed", 1),
    ("cifar10", "sgd", 0, "completed", 1),  # adam was not run there
    ("cifar10", "adam", 0, "failed", 1),
]


def test_within_a_factor_of_the_quickest():
    trials = pd.DataFrame(
        [
            {"trial_id": str(n), "dataset": dataset, "model": "cnn", "optimizer": optimizer, "regularizer": "none"}
            | {"deployment": "none"}
            | {"seed": seed, "status": status}
            for n, (dataset, optimizer, seed, status, _) in enumerate(RUNS)
        ]
    )
    epochs = pd.DataFrame(
        [
            {"trial_id": str(n), "epoch": epoch, "seconds": 1.0, "val_accuracy": 0.95 if 0 < at <= epoch else 0.5}
            for n, (*_, at) in enumerate(RUNS)
            for epoch in range(1, 7)
        ]
    )
    profile = speed_profile(trials, epochs, "optimizer", time_to(0.9, "val_accuracy", "epochs"), [1, 1.9, 2, np.inf])
    assert profile["adam"].to_list() == [0.5, 0.5, 0.5, 0.5]  # 3 epochs on digits; never on mnist
    assert profile["sgd"].to_list() == [0.5, 0.5, 1.0, 1.0]  # 6 epochs on digits are twice as many
