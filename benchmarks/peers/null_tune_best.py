"""Null trials under Ray Tune at its best: actors that are used again, no loggers, no snapshots along the way."""

import os
import time

from benchmarks.peers.local_ray import local_ray
from benchmarks.peers.null_report import print_report, trials_asked_for

# read when Tune is imported or its controller made
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "1000000"
os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"


def null(config: dict[str, float]) -> dict[str, float]:
    return {"began": time.time(), "accuracy": config["lr"]}


def main() -> None:
    trials = trials_asked_for()
    with local_ray() as folder:
        from ray import tune

        tuner = tune.Tuner(
            null,
            param_space={"lr": tune.grid_search([(index + 1) / 1e6 for index in range(trials)])},
            tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id),
            run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
        )
        called = time.time()
        print_report(called, tuner.fit())


if __name__ == "__main__":
    main()
