"""What the Tune peers of the null trials print."""

import argparse
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.tune import ResultGrid


def trials_asked_for() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    return int(parser.parse_args().trials)


def print_report(called: float, results: "ResultGrid") -> None:
    """From the first trial's begin to the return of `fit`, with which the results are there. `called`: when `fit` was.

    Every result has to hold `began`, the wall-clock time at which its function was entered. Raises SystemExit when one
    does not.
    """
    returned = time.time()
    begins = [
        result.metrics["began"]
        for result in (results[index] for index in range(len(results)))
        if result.metrics and "began" in result.metrics
    ]
    if len(begins) != trials_asked_for():
        raise SystemExit(f"{len(begins)} trials have reported")
    milliseconds = 1000 * (returned - min(begins)) / len(begins)
    print(
        json.dumps({"trials": len(begins), "ms_per_trial": milliseconds, "startup_seconds": min(begins) - called}),
        flush=True,
    )
