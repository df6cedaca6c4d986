"""Batch norm over several workers is batch norm over the whole batch."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from pydantic import ValidationError

from tests.forks import Fork
from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.models.cnn import Cnn
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask
from trainables.training.trial import run_trial

ROOT: Final = Path(__file__).parents[3]
CPU: Final = torch.device("cpu")
BATCHES: Final = (
    ((4, 3), (2, 2)),
    ((7, 3), (4, 3)),
    ((2, 3), (1, 1)),
    ((3, 3), (3, 0)),
    ((5, 4, 6, 6), (2, 3)),
    ((4, 2, 3, 4, 4), (2, 2)),
)
"""Shapes of a batch, and how many of its examples each rank has."""


def spec_of(place: DataLocation, *, workers: int = 1, **protocol: Any) -> TrialSpec:
    """A small net with batch norm at a batch of 4, where a part of 2 has statistics of little worth; few steps, since
    differences of rounding grow with each.
    """
    digits = registry.get("dataset", "digits").from_parameters({"per_class": 4})
    settings = Protocol.from_parameters({"epochs": 3, "batch_size": 4, **protocol})
    net = Cnn(channels=(8, 8), hidden=(), batch_norm=True)
    return TrialSpec(digits, net, Sgd(lr=0.02), (), settings, 0, digits.fingerprint(place), workers)


def task_of(spec: TrialSpec, place: DataLocation) -> TrialTask:
    return TrialTask(spec.trial_id, 1, spec, place, None)


def keeping(rows: list[EpochRow]) -> Callable[[EpochRow], bool]:
    """What a context is given to report to."""

    def keep(row: EpochRow) -> bool:
        rows.append(row)
        return False

    return keep


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two ranks of a process group have found."""
    folder = tmp_path_factory.mktemp("ranks")
    command = ("-m", "tests.trainables.training.batch_norm_rank")
    ranks = [Fork(ROOT, [*command, str(rank), folder], os.environ) for rank in (0, 1)]
    printed = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    return [json.loads(text.splitlines()[-1]) for text in printed]


def test_outputs_gradients_and_averages_are_those_of_one_process(of_two: list[dict[str, Any]]) -> None:
    for found in of_two:
        assert len(found["distances"]) == len(BATCHES)
        assert max(found["distances"].values()) <= 1e-6, found["distances"]


def test_two_workers_that_share_statistics_learn_as_one_does(of_two: list[dict[str, Any]], tmp_path: Path) -> None:
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    rows: list[EpochRow] = []
    test = run_trial(task_of(spec_of(place), place), SingleContext(CPU, keeping(rows))).test
    assert test is not None
    alone = [row.train_loss for row in rows]
    assert alone[-1] < 0.9 * alone[0], "it learns"
    apart, together = max((found["trials"] for found in of_two), key=lambda trials: len(trials[0]["losses"]))
    assert together["losses"] == pytest.approx(alone, rel=1e-4)
    assert abs(together["accuracy"] - test.accuracy) <= 0.01
    assert apart["losses"] != pytest.approx(alone, rel=1e-3), "without, each has the statistics of its own part"


@pytest.mark.parametrize("other", [{"accumulate": 2}, {"compile": True}])
def test_workers_would_wait_for_each_other_where_they_pass_a_net_unequally_often(other: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"sync_batch_norm excludes {next(iter(other))}"):
        Protocol(sync_batch_norm=True, **other)
