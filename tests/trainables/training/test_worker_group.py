"""Trials of two workers that go on: each with its own random numbers; with one worker from the same epoch."""

import json
import os
from pathlib import Path

import pytest

from tests.forks import Fork
from tests.trainables.training.test_resume import STOPPED_IN, run, spec_of, task_of
from trainables.dataset import DataLocation
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout

ROOT = Path(__file__).parents[3]


def test_two_workers_go_on_bit_for_bit_and_one_goes_on_from_their_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ranks = [
        Fork(ROOT, ["-m", "tests.trainables.training.rank", str(rank), tmp_path], os.environ | {"OMP_NUM_THREADS": "1"})
        for rank in range(2)
    ]
    try:
        message = [json.loads(rank.communicate(timeout=240)[0].splitlines()[-1]) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for each in message:
        assert each["equal"] == {"noisy": True, "range": True, "sgan": True}
        whole, parts = each["losses"]
        assert parts == pytest.approx(whole, rel=1e-5)

    place = DataLocation(data=None, beside=None, cache=tmp_path / "cache")
    alone = run(task_of(spec_of(Augment(crop=1, flip=True), Dropout(p=0.3)), place, tmp_path / "left"))
    assert alone.result is not None and alone.result.status == "completed" and alone.result.world_size == 1
    assert [row.epoch for row in alone.rows] == list(range(1, 7))
    assert f"goes on from epoch {STOPPED_IN - 1} of 2 workers with 1" in capsys.readouterr().out
