"""A trial on a GPU that is a tag is cut off, and goes on from its checkpoint as if it had never been."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.device_tag.tags import CPU, CUDA
from tests.device_tag.trials import Ran, tagged, tagged_stack
from tests.device_tag.waits import CutOffError
from tests.trainables.few import FewDigits
from trainables.dataset import DataLocation
from trainables.interfaces import Model, Optimizer, Regularizer
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.models.sgan import Sgan
from trainables.optimizers.adam import Adam
from trainables.optimizers.lbfgs import Lbfgs
from trainables.optimizers.muon import Muon
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import TrialResult
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.mixup import Mixup
from trainables.spec import Checkpoints, TrialSpec, TrialTask
from trainables.training.checkpoints import newest

NOISY: tuple[Regularizer, ...] = (Augment(crop=1, flip=True), Dropout(p=0.3))
SMALL: Model = Cnn(channels=(4,), hidden=(8,), batch_norm=True)
TRIALS: dict[str, tuple[Model, Optimizer, tuple[Regularizer, ...], dict[str, Any]]] = {
    "noisy": (SMALL, Adam(lr=0.01), NOISY, {}),
    "momentum": (SMALL, Sgd(lr=0.05, momentum=0.9), (Mixup(),), {"schedule": "cosine", "keep_weights": "best"}),
    "muon": (Mlp(hidden=(16,)), Muon(), (Dropout(p=0.3),), {}),
    "lbfgs": (Mlp(hidden=(8,)), Lbfgs(max_iter=3), (Dropout(p=0.3),), {"batch_size": 64}),
    "range": (SMALL, Adam(), (), {"schedule": "lr_range"}),
    "sgan": (Sgan(channels=(4,), hidden=(6,), generator_channels=(5,), latent=3, passes=1), Adam(), (), {}),
}
STACK = ("noisy", "momentum")


def task_of(name: str, folder: Path, **protocol: Any) -> TrialTask:
    model, optimizer, regularizers, own = TRIALS[name]
    place, data = DataLocation(data=None, beside=None, cache=folder / "cache"), FewDigits()
    settings = Protocol.from_parameters({"epochs": 4, "batch_size": 22, **own, **protocol})
    spec = TrialSpec(data, model, optimizer, regularizers, settings, 0, data.fingerprint(place))
    return TrialTask(spec.trial_id, 1, spec, place, None, checkpoints=Checkpoints(folder / name, 0.0))


def expect_the_same(resumed: Ran, whole: Ran, cut_off: Ran) -> None:
    assert [ran.mismatches for ran in (resumed, whole, cut_off)] == [[], [], []]
    assert all(isinstance(each, CutOffError) for each in cut_off.ended)
    assert resumed.completed and whole.completed, (resumed.ended, whole.ended)
    assert resumed.losses == whole.losses
    for one, other in zip(resumed.ended, whole.ended, strict=True):
        assert isinstance(one, TrialResult) and isinstance(other, TrialResult)
        assert (one.val, one.test, one.best_epoch) == (other.val, other.test, other.best_epoch)


@pytest.mark.parametrize("name", TRIALS)
def test_it_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    trial_task = task_of(name, tmp_path)
    whole = tagged(replace(trial_task, checkpoints=None))
    cut_off = tagged(trial_task, stop_after=2)
    assert newest(trial_task, CUDA) == 2
    expect_the_same(tagged(trial_task.resumed_at(2)), whole, cut_off)


def test_a_stack_goes_on_bit_for_bit(tmp_path: Path) -> None:
    trial_tasks = [task_of(name, tmp_path, fuse=4, keep_weights="none") for name in STACK]
    whole = tagged_stack([replace(each, checkpoints=None) for each in trial_tasks])
    cut_off = tagged_stack(trial_tasks, stop_after=2)
    expect_the_same(tagged_stack([each.resumed_at(2) for each in trial_tasks]), whole, cut_off)


def test_a_checkpoint_of_a_gpu_is_none_of_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial_task = task_of("noisy", tmp_path)
    tagged(trial_task, stop_after=1)
    assert newest(trial_task, CPU) == 0
    assert "was written on cuda, and this is cpu" in capsys.readouterr().out
