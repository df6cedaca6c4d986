"""A trial that is stopped between two epochs and goes on ends as one that was not, bit for bit; and what is in the way."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from tests.marks import slow_but
from tests.trainables.few import FewDigits
from trainables.context import SingleContext
from trainables.dataset import DataInfo, DataLocation, Decoder, StreamedExamples
from trainables.interfaces import Model, Optimizer, Regularizer
from trainables.models.cnn import Cnn
from trainables.models.cnn_rnn import CnnRnn
from trainables.models.densenet import Densenet
from trainables.models.gru import Gru
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.models.sgan import Sgan
from trainables.models.vit import Vit
from trainables.optimizers.adam import Adam
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.class_weights import ClassWeights
from trainables.regularizers.cutmix import Cutmix
from trainables.regularizers.decoupled_weight_decay import DecoupledWeightDecay
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.early_stopping import EarlyStopping
from trainables.regularizers.erasing import Erasing
from trainables.regularizers.focal_loss import FocalLoss
from trainables.regularizers.gan_augment import GanAugment
from trainables.regularizers.l1 import L1
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.regularizers.mixup import Mixup
from trainables.regularizers.stochastic_depth import StochasticDepth
from trainables.regularizers.weight_decay import WeightDecay
from trainables.spec import Checkpoints, TrialSpec, TrialTask
from trainables.training.checkpoints import epochs, newest
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
STOPPED_IN = 4
"""The epoch whose row is no longer taken: the last checkpoint is of the one before."""
NET = Cnn(channels=(4,), hidden=(8,), batch_norm=True)


class StoppedError(Exception):
    """Stands for whatever ends an attempt."""


class _FewStreamed(FewDigits):
    """The few digits, decoded while they are trained on, each brightened at random."""

    name: ClassVar[str] = "few_streamed"

    def info(self, place: DataLocation) -> DataInfo:
        return replace(super().info(place), streamed=True)

    def streamed(self, place: DataLocation) -> StreamedExamples:
        examples = self.load(place)
        return StreamedExamples(_Brightened(examples.inputs), examples.targets, examples.official_test)


class _Brightened(Decoder):
    def __init__(self, images: NDArray[Any]) -> None:
        self._images = images

    def decode(self, example: int, key: int | None) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = self._images[example]
        return image if key is None else image // np.uint8(np.random.default_rng([example, key]).integers(1, 3))

    def content_hashes(self) -> NDArray[np.uint64]:
        return np.arange(len(self._images), dtype=np.uint64)


@dataclass(frozen=True)
class Ran:
    """What came of an attempt."""

    rows: list[EpochRow]
    result: TrialResult | None
    weights: dict[str, torch.Tensor]

    def trained(self) -> object:
        """All that must not differ."""
        assert self.result is not None
        rows = [replace(row, seconds=0.0, eval_seconds=0.0) for row in self.rows]
        result = self.result
        found = (
            result.status,
            result.reason,
            result.best_epoch,
            result.epochs,
            result.lr_diverged,
            result.lr_lowest_loss,
        )
        return repr((rows, found, result.train, result.val, result.test, result.breakdown, result.sizes))


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path / "cache")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def spec_of(
    *regularizers: Regularizer,
    model: Model = NET,
    optimizer: Optimizer | None = None,
    data: FewDigits | None = None,
    **protocol: Any,
) -> TrialSpec:
    settings = Protocol.from_parameters({"epochs": 6, "batch_size": 24, "keep_weights": "best", **protocol})
    return TrialSpec(data or FewDigits(), model, optimizer or Adam(lr=0.01), regularizers, settings, 0, "few")


def task_of(spec: TrialSpec, place: DataLocation, folder: Path, **checkpoints: Any) -> TrialTask:
    kept = Checkpoints(folder / "checkpoints", **({"seconds": 0.0} | checkpoints))
    return TrialTask(spec.trial_id, 1, spec, place, folder / "weights.safetensors", checkpoints=kept)


def run(trial_task: TrialTask, stop_in: int = 0) -> Ran:
    rows: list[EpochRow] = []

    def report(row: EpochRow) -> bool:
        if row.epoch == stop_in:
            raise StoppedError
        rows.append(row)
        return False

    torch.manual_seed(np.random.default_rng().integers(1 << 40).item())  # whatever ran before
    try:
        result = run_trial(trial_task.resumed_at(newest(trial_task, CPU)), SingleContext(CPU, report))
    except StoppedError:
        return Ran(rows, None, {})
    assert trial_task.weights is not None
    return Ran(rows, result, load_file(trial_task.weights) if trial_task.weights.exists() else {})


def same(one: Ran, other: Ran) -> bool:
    return (
        one.trained() == other.trained()
        and one.weights.keys() == other.weights.keys()
        and all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())
    )


def check_resumed(spec: TrialSpec, place: DataLocation, folder: Path) -> Ran:
    """Stopped twice, the second time in the epoch that it began with."""
    whole = run(task_of(spec, place, folder / "whole"))
    trial_task = task_of(spec, place, folder / "stopped")
    stopped = run(trial_task, stop_in=STOPPED_IN)
    assert stopped.result is None and epochs(trial_task.checkpoints.folder) == [STOPPED_IN - 1]  # type: ignore[union-attr]
    run(trial_task, stop_in=STOPPED_IN)
    resumed = run(trial_task)
    assert same(whole, resumed)
    assert [row.seconds for row in resumed.rows[: STOPPED_IN - 1]] == [
        row.seconds for row in stopped.rows
    ]  # not run again
    return whole


# sparse_adam is refused by every model that there is: none has sparse gradients
@pytest.mark.parametrize(
    "name",
    slow_but(("adam", "lbfgs", "muon", "sgd"), [name for name in registry.names("optimizer") if name != "sparse_adam"]),
)
def test_every_optimizer_goes_on_where_it_was(place: DataLocation, tmp_path: Path, name: str) -> None:
    parameters = {"sgd": {"lr": 0.05, "momentum": 0.9}, "lbfgs": {"max_iter": 3}}.get(name, {})
    optimizer = registry.get("optimizer", name).from_parameters(parameters)
    assert isinstance(optimizer, Optimizer)
    check_resumed(spec_of(optimizer=optimizer), place, tmp_path)


@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "plateau", "patience": 0, "threshold": 0.3},
        {"name": "one_cycle"},
        {"name": "step", "milestones": [2, 5]},
        {"name": "cosine", "warm_up": 4.5},
        {"name": "lr_range"},
    ],
    ids=lambda schedule: schedule["name"],
)
def test_every_schedule_goes_on_where_it_was(place: DataLocation, tmp_path: Path, schedule: dict[str, Any]) -> None:
    whole = check_resumed(spec_of(schedule=schedule, clip=1.0), place, tmp_path)
    assert whole.result is not None
    assert (whole.result.lr_lowest_loss is not None) == (schedule["name"] == "lr_range")
    assert len({row.lr for row in whole.rows}) > 1


@pytest.mark.parametrize(
    ("model", "regularizers"),
    [
        (NET, (Augment(crop=1, flip=True, rotation=20, colour=0.2), Erasing(probability=0.5), Dropout(p=0.3), L1())),
        (Resnet(depth=8, width=4), (Mixup(alpha=1.0), Cutmix(), StochasticDepth(p=0.5), DecoupledWeightDecay())),
        (
            Vit(depth=1, width=16),
            (ClassWeights(beta=0.99), LabelSmoothing(), FocalLoss(), WeightDecay(), Dropout(p=0.1)),
        ),
        (NET, (GanAugment(steps=5, channels=(4, 4)),)),
        pytest.param(Densenet(), (), marks=pytest.mark.slow),
        (Lstm(hidden=8), (Dropout(p=0.3),)),
        (Gru(hidden=8), ()),
        (Sgan(channels=(4,), hidden=(6,), generator_channels=(5,), latent=3, passes=1), (Dropout(p=0.3),)),
    ],
    ids=lambda value: value.name if isinstance(value, Model) else "+".join(each.name for each in value),
)
def test_every_source_of_chance_goes_on_where_it_was(
    place: DataLocation, tmp_path: Path, model: Model, regularizers: tuple[Regularizer, ...]
) -> None:
    check_resumed(spec_of(*regularizers, model=model), place, tmp_path)


@pytest.mark.parametrize("model", [NET, Sgan(channels=(4,), hidden=(6,), generator_channels=(5,), latent=3, passes=1)])
def test_images_that_are_decoded_meanwhile_are_drawn_as_they_would_have_been(
    place: DataLocation, tmp_path: Path, model: Model
) -> None:
    # 40 labelled ones of 64: the unlabelled batches are in the middle of a round between two epochs
    check_resumed(spec_of(model=model, data=_FewStreamed()), place, tmp_path)
    check_resumed(spec_of(model=model, data=FewDigits(per_class=5)), place, tmp_path / "few labels")


def test_clips_and_numbers_go_on(place: DataLocation, tmp_path: Path) -> None:
    check_resumed(spec_of(model=CnnRnn(), data=FewDigits(frames=3)), place, tmp_path / "clips")
    check_resumed(spec_of(model=Mlp(), data=FewDigits(task="regression")), place, tmp_path / "numbers")


def test_an_early_best_epoch_and_an_early_stop_are_remembered(place: DataLocation, tmp_path: Path) -> None:
    jumpy = Sgd(lr=1.5, momentum=0.9)
    whole = check_resumed(spec_of(EarlyStopping(patience=4), optimizer=jumpy, epochs=30), place, tmp_path)
    assert whole.result is not None and whole.result.best_epoch is not None
    assert whole.result.best_epoch < STOPPED_IN - 1 < whole.result.epochs < 30

    trial_task = task_of(spec_of(EarlyStopping(patience=4), optimizer=jumpy, epochs=30), place, tmp_path / "ended")
    ended = run(trial_task)  # its checkpoint is of the last epoch
    again = run(trial_task)
    assert same(whole, ended) and same(ended, again)
    assert [row.seconds for row in again.rows] == [row.seconds for row in ended.rows]
