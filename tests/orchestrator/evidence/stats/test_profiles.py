"""Time to a target, and performance profiles, by hand."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.evidence.stats.ranks import performance_profile, time_to_target

EPOCHS = pd.DataFrame(
    {
        "trial_id": ["a", "a", "a", "b", "b", "c"],
        "epoch": [2, 1, 3, 1, 2, 1],
        "seconds": [3.0, 2.0, 4.0, 1.0, 1.0, 1.0],
        "val_accuracy": [0.8, 0.5, 0.7, 0.6, 0.79, np.nan],
        "val_loss": [0.3, 0.9, 0.2, 0.5, 0.25, np.nan],
    }
)


def test_a_run_that_never_gets_there_took_for_ever() -> None:
    assert time_to_target(EPOCHS, 0.8).to_dict() == {"a": 5.0, "b": np.inf, "c": np.inf}
    assert time_to_target(EPOCHS, 0.5).to_dict() == {"a": 2.0, "b": 1.0, "c": np.inf}


def test_epochs_may_be_counted() -> None:
    assert time_to_target(EPOCHS, 0.7, clock="epochs").to_dict() == {"a": 2.0, "b": 2.0, "c": np.inf}


def test_lower_may_be_better() -> None:
    times = time_to_target(EPOCHS, 0.25, measure="val_loss", higher_is_better=False)
    assert times.to_dict() == {"a": 9.0, "b": 2.0, "c": np.inf}


def test_a_profile() -> None:
    times = pd.DataFrame({"adam": [1.0, 4.0, np.inf, np.inf], "sgd": [2.0, 1.0, 3.0, np.inf]})
    profile = performance_profile(times, [1.0, 2.0, 4.0, 1e9])
    assert profile["adam"].tolist() == [0.25, 0.25, 0.5, 0.5]
    assert profile["sgd"].tolist() == [0.5, 0.75, 0.75, 0.75]


@pytest.mark.parametrize("wrong", [np.nan, 0.0, -1.0])
def test_what_is_no_time(wrong: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        performance_profile(pd.DataFrame({"adam": [1.0, wrong]}), [1.0])
