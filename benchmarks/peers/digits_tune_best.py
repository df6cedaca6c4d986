"""The digits grid under Ray Tune at its best: actors used again, no loggers, no snapshots."""

import os
from dataclasses import asdict
from typing import Any

from benchmarks.peers.fashion_report import print_report, test_accuracies
from benchmarks.peers.local_ray import local_ray

# read when Tune is imported or its controller made
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "1000000"
os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"


def trial(config: dict[str, Any]) -> dict[str, float]:
    from benchmarks.digits.plain_trial import Configuration, train_and_measure

    return {"test_accuracy": train_and_measure(Configuration(**config["trial"]))}


def main() -> None:
    with local_ray() as folder:
        from ray import tune

        from benchmarks.digits.plain_trial import ALL

        tuner = tune.Tuner(
            trial,
            param_space={"trial": tune.grid_search([asdict(configuration) for configuration in ALL])},
            tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id),
            run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
        )
        print_report(test_accuracies(tuner.fit()))


if __name__ == "__main__":
    main()
