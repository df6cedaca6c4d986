"""Times to a target, trial by trial."""

import numpy as np
import pandas as pd

from orchestrator.evidence.judge import measured
from orchestrator.grid.measures import measure_named, time_to


def test_what_diverged_never_gets_there_and_data_without_the_measure_have_no_time() -> None:
    trials = pd.DataFrame(
        {
            "trial_id": ["there", "diverged", "never", "failed", "numeric"],
            "status": ["completed", "diverged", "completed", "failed", "completed"],
            "dataset": ["digits"] * 4 + ["angles"],
            "data_fingerprint": ["d"] * 3 + [None, "a"],
        }
    )
    epochs = pd.DataFrame(
        [
            ("there", 1, 0.5),
            ("there", 2, 0.9),
            ("diverged", 1, 0.95),
            ("diverged", 2, np.nan),
            ("never", 1, 0.5),
            ("failed", 1, 0.95),
            ("numeric", 1, np.nan),
        ],
        columns=["trial_id", "epoch", "val_accuracy"],
    ).assign(seconds=1.0)
    times = measured(time_to(0.9, "val_accuracy", "epochs"), trials, epochs)
    assert times[["there", "diverged", "never"]].to_list() == [2, np.inf, np.inf]
    assert times[["failed", "numeric"]].isna().all()


def test_a_claim_on_stuck_is_about_the_share_of_trials_that_are() -> None:
    on = measure_named("stuck")
    assert on is not None and on.higher_is_better is False
    statuses = ["completed", "completed", "completed", "diverged"]
    trials = pd.DataFrame({"trial_id": [*"abcd"], "status": statuses, "stuck": [True, False, None, None]})
    shares = measured(on, trials, pd.DataFrame())
    assert shares[["a", "b"]].to_list() == [1, 0]
    assert shares[["c", "d"]].isna().all()


def test_a_net_beside_itself_is_once_as_quick_and_what_has_no_speed_has_none() -> None:
    on = measure_named("speedup")
    assert on is not None and on.higher_is_better is True
    trials = pd.DataFrame(
        {
            "trial_id": [*"abcd"],
            "status": ["completed", "completed", "skipped", "failed"],
            "deployment": ["none", "int8", "int8", "none"],
            "speedup": [np.nan, 2.5, np.nan, np.nan],
        }
    )
    values = measured(on, trials, pd.DataFrame())
    assert values[["a", "b"]].to_list() == [1.0, 2.5]
    assert values[["c", "d"]].isna().all()
    differences = measure_named("max_abs_difference")
    assert differences is not None
    assert measured(differences, trials.assign(max_abs_difference=0.1), pd.DataFrame())["a"] == 0.0
