"""Spread over the binomial floor."""

import numpy as np
import pytest

from orchestrator.evidence.stats.leaderboard import over_floor


def test_a_cell_that_only_its_test_set_spreads_sits_at_one() -> None:
    random = np.random.default_rng(0)
    accuracies = random.binomial(10_000, 0.92, 2_000) / 10_000
    assert over_floor(accuracies, 10_000) == pytest.approx(1, abs=0.05)


def test_by_hand() -> None:
    assert over_floor([0.8, 0.9], 100) == pytest.approx(0.0707107 / np.sqrt(0.85 * 0.15 / 100), abs=1e-5)


@pytest.mark.parametrize("accuracies", [[], [0.9], [1.0, 1.0], [0.0, 0.0]])
def test_no_floor(accuracies: list[float]) -> None:
    assert np.isnan(over_floor(accuracies, 100))


def test_no_examples_have_no_floor() -> None:
    assert np.isnan(over_floor([0.8, 0.9], 0))
