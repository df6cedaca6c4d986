"""Checkpoints that cannot be used are passed over with a line in the trial's log, and the trial ends as it would have."""

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.training.test_resume import CPU, STOPPED_IN, run, same, spec_of, task_of
from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.errors import CheckpointError
from trainables.models.mlp import Mlp
from trainables.records import EpochRow
from trainables.spec import TrialTask
from trainables.training.checkpoints import epochs, keep_only, newest, read
from trainables.training.trial import run_trial

SMALL = Mlp(hidden=(4,))


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    torch.set_num_threads(1)
    return DataLocation(data=None, beside=None, cache=tmp_path / "cache")


@pytest.fixture
def stopped(place: DataLocation, tmp_path: Path) -> TrialTask:
    """A trial with one checkpoint."""
    trial_task = task_of(spec_of(model=SMALL), place, tmp_path / "stopped")
    run(trial_task, stop_in=STOPPED_IN)
    return trial_task


def folder_of(trial_task: TrialTask) -> Path:
    assert trial_task.checkpoints is not None
    return trial_task.checkpoints.folder


def flipped(path: Path, bit: int) -> bytes:
    data = bytearray(path.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(data)


def test_every_flipped_bit_and_every_lost_end_is_seen(stopped: TrialTask) -> None:
    folder = folder_of(stopped)
    random = np.random.default_rng(0)
    whole = read(folder, STOPPED_IN - 1)
    for suffix in ("json", "safetensors"):
        path = folder / f"epoch-{STOPPED_IN - 1}.{suffix}"
        good = path.read_bytes()
        for bit in random.integers(8 * len(good), size=300).tolist():
            path.write_bytes(flipped(path, bit))
            try:
                found = read(folder, STOPPED_IN - 1)
            except CheckpointError:
                found = None
            # JSON says some things in two ways: 1e-05 and 1E-05
            assert found is None or found == whole, f"bit {bit} of the {suffix}"
            path.write_bytes(good)
        for length in random.integers(len(good), size=50).tolist():
            path.write_bytes(good[:length])
            with pytest.raises(CheckpointError):
                read(folder, STOPPED_IN - 1)
            path.write_bytes(good)
    assert read(folder, STOPPED_IN - 1) == whole


def another_format(trial_task: TrialTask) -> None:
    path = folder_of(trial_task) / f"epoch-{STOPPED_IN - 1}.json"
    document = json.loads(path.read_text())
    document["content"]["header"]["format"] = 99
    path.write_text(json.dumps(document))


def empty_tensors(trial_task: TrialTask) -> None:
    (folder_of(trial_task) / f"epoch-{STOPPED_IN - 1}.safetensors").write_bytes(b"")


def nested(trial_task: TrialTask) -> None:
    (folder_of(trial_task) / f"epoch-{STOPPED_IN - 1}.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("harm", "message"),
    [(another_format, "format 99"), (empty_tensors, "tensors do not have their checksum"), (nested, "is damaged")],
)
def test_a_trial_whose_checkpoint_is_no_good_starts_anew_and_says_so(
    place: DataLocation,
    stopped: TrialTask,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[TrialTask], None],
    message: str,
) -> None:
    whole = run(task_of(stopped.spec, place, tmp_path / "whole"))
    harm(stopped)
    assert same(whole, run(stopped))
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and message in said and f"epoch-{STOPPED_IN - 1}.json" in said


def test_the_one_before_is_used_where_the_newest_is_damaged(stopped: TrialTask, tmp_path: Path) -> None:
    folder, before = folder_of(stopped), {}
    for path in folder.iterdir():
        before[path] = path.read_bytes()
    run(stopped, stop_in=STOPPED_IN + 1)
    assert epochs(folder) == [STOPPED_IN]
    for path, data in before.items():  # as if it had been killed before it was removed
        path.write_bytes(data)
    (folder / f"epoch-{STOPPED_IN}.safetensors").write_bytes(b"half")
    assert newest(stopped, CPU) == STOPPED_IN - 1
    keep_only(folder, {STOPPED_IN - 1})
    assert {path.name for path in folder.iterdir()} == {path.name for path in before}


def test_a_checkpoint_of_something_else_is_not_used(stopped: TrialTask, capsys: pytest.CaptureFixture[str]) -> None:
    assert newest(replace(stopped, trial_id="another"), CPU) == 0
    assert f"of trial {stopped.trial_id}" in capsys.readouterr().out
    # the same trial, for which tuning has chosen another learning rate since
    assert newest(replace(stopped, spec=spec_of(model=Mlp(hidden=(5,)))), CPU) == 0
    assert "another configuration" in capsys.readouterr().out
    assert newest(stopped, torch.device("cuda")) == 0
    assert newest(replace(stopped, checkpoints=None), CPU) == 0


def test_code_that_has_changed_since_makes_the_trial_start_anew(
    place: DataLocation,
    stopped: TrialTask,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = Mlp.build
    monkeypatch.setattr(
        Mlp, "build", lambda self, *given: torch.nn.Sequential(build(self, *given), torch.nn.Linear(8, 8))
    )
    whole = run(task_of(stopped.spec, place, tmp_path / "whole"))
    assert same(whole, run(stopped))
    assert "starts from the beginning: its checkpoint does not fit this trial" in capsys.readouterr().out


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_trial(
    place: DataLocation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial_task = replace(task_of(spec_of(model=SMALL), place, tmp_path / "full"), weights=None)
    rows: list[EpochRow] = []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    run_trial(task_of(spec_of(model=SMALL, epochs=1), place, tmp_path / "before"), SingleContext(CPU, rows.append))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        result = run_trial(trial_task, SingleContext(CPU, rows.append))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.status == "completed" and len(rows) == 1 + 6
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 6 and all("could not be written" in line and "the trial goes on" in line for line in said)
    assert list(folder_of(trial_task).iterdir()) == [], "nothing half is left"
