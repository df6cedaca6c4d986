"""Null trials under Ray Tune as most people write it: a function that imports torch, a grid search, the defaults."""

import time

from benchmarks.peers.local_ray import local_ray
from benchmarks.peers.null_report import print_report, trials_asked_for


def null(config: dict[str, float]) -> None:
    began = time.time()
    import torch
    from ray import tune

    tune.report({"began": began, "accuracy": float(torch.tensor(config["lr"]))})


def main() -> None:
    trials = trials_asked_for()
    with local_ray() as folder:
        from ray import tune

        tuner = tune.Tuner(
            null,
            param_space={"lr": tune.grid_search([(index + 1) / 1e6 for index in range(trials)])},
            run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
        )
        called = time.time()
        print_report(called, tuner.fit())


if __name__ == "__main__":
    main()
