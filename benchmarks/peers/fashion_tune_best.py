"""The tight loop under Ray Tune at its best: arrays in the object store, actors used again, no loggers, no snapshots."""

import os
from dataclasses import asdict
from typing import Any

from benchmarks.peers.fashion_report import asked, print_report, test_accuracies
from benchmarks.peers.local_ray import local_ray

# read when Tune is imported or its controller made
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "1000000"
os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"


def trial(config: dict[str, Any], arrays: Any, epochs: int) -> dict[str, float]:
    import torch

    from benchmarks.fashion.configurations import Configuration
    from benchmarks.fashion.tight_loop import tensors, train_and_measure

    torch.set_num_threads(1)
    return {"test_accuracy": train_and_measure(Configuration(**config["trial"]), tensors(arrays), epochs)}


def main() -> None:
    work = asked()
    with local_ray() as folder:
        from ray import tune

        from benchmarks.fashion.arrays import load

        tuner = tune.Tuner(
            tune.with_parameters(trial, arrays=load(), epochs=work.epochs),
            param_space={"trial": tune.grid_search([asdict(configuration) for configuration in work.configurations])},
            tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id),
            run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
        )
        print_report(test_accuracies(tuner.fit()))


if __name__ == "__main__":
    main()
