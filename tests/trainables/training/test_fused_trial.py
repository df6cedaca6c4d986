"""Trials that train in one stack: what each comes to is what it would come to with anybody else, or with nobody."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from tests.trainables.few import FewDigits
from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.errors import CannotFuse, TrialTimedOut
from trainables.interfaces import Model, Optimizer, Regularizer
from trainables.models.cnn import Cnn
from trainables.models.gru import Gru
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.models.rnn import Rnn
from trainables.optimizers.adagrad import Adagrad
from trainables.optimizers.adam import Adam
from trainables.optimizers.adamw import AdamW
from trainables.optimizers.nadam import NAdam
from trainables.optimizers.rmsprop import RmsProp
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
from trainables.regularizers.l1 import L1
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.regularizers.mixup import Mixup
from trainables.regularizers.stochastic_depth import StochasticDepth
from trainables.regularizers.weight_decay import WeightDecay
from trainables.spec import Checkpoints, TrialSpec, TrialTask
from trainables.stages.run import run_task
from trainables.training.fused.trial import run_fused
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
MODELS: dict[str, Model] = {
    "mlp": Mlp(hidden=(16,)),
    "cnn": Cnn(channels=(4, 6), hidden=(8,), batch_norm=True),
    "cnn, cbam": Cnn(channels=(4,), attention="cbam"),
    "resnet": Resnet(depth=8, width=4),
    "rnn": Rnn(hidden=8),
    "gru": Gru(hidden=8, bidirectional=True),
    "lstm": Lstm(hidden=8, layers=2),
}
Member = tuple[Optimizer, tuple[Regularizer, ...], dict[str, Any]]
"""An optimizer, regularizers, and what of the protocol is its own."""
OPTIMIZERS: Sequence[Member] = [
    (Sgd(lr=0.02), (), {}),
    (Sgd(lr=0.02, momentum=0.9, nesterov=True), (), {"schedule": "cosine"}),
    (Adam(lr=0.003), (), {"clip": 0.5}),
    (Adam(lr=0.003, amsgrad=True, weight_decay=1e-3), (), {}),
    (AdamW(lr=0.003, betas=(0.8, 0.99)), (), {"schedule": {"name": "step", "milestones": [2]}}),
    (RmsProp(lr=0.001), (), {"schedule": {"name": "constant", "warm_up": 1}}),
    (RmsProp(lr=0.001, momentum=0.5, centered=True), (), {}),
    (Adagrad(lr=0.01), (), {}),
]
REGULARIZERS: Sequence[Member] = [
    (Sgd(lr=0.02), (Dropout(p=0.3), WeightDecay(value=1e-3)), {}),
    (Adam(lr=0.003), (LabelSmoothing(), L1(value=1e-3)), {}),
    (Adam(lr=0.003), (Mixup(), DecoupledWeightDecay()), {}),
    (Adam(lr=0.003), (Augment(crop=1, flip=True), Erasing()), {}),
    (NAdam(lr=0.002), (ClassWeights(), FocalLoss()), {}),
    (Sgd(lr=0.02), (Cutmix(),), {}),
    (Adam(lr=0.003), (Dropout(p=0.5),), {}),
    (Adam(lr=0.003), (), {}),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def task_of(place: DataLocation, model: Model, member: Member, seed: int, **protocol: Any) -> TrialTask:
    optimizer, regularizers, own = member
    digits = registry.get("dataset", "digits").from_parameters(protocol.pop("data", {}))
    settings = Protocol.from_parameters({"epochs": 3, "fuse": 8, **protocol, **own})
    spec = TrialSpec(digits, model, optimizer, regularizers, settings, seed, digits.fingerprint(place))
    return TrialTask(spec.trial_id, 1, spec, place, None)


@dataclass
class Outcome:
    rows: list[EpochRow] = field(default_factory=list)
    ended: TrialResult | BaseException | None = None

    @property
    def result(self) -> TrialResult:
        assert isinstance(self.ended, TrialResult), self.ended
        return self.ended

    @property
    def trained(self) -> object:
        """All that must not differ between two runs."""
        curves = [
            (row.lr, row.train_loss, row.train_accuracy, row.val, row.gradient_norm, row.exploding_steps)
            for row in self.rows
        ]
        result = self.result
        said = None if result.predictions is None else result.predictions.answers
        return curves, result.best_epoch, result.train, result.val, result.test, result.breakdown, result.sizes, said


def together(trial_tasks: Sequence[TrialTask], **context: Any) -> list[Outcome]:
    outcomes = [Outcome() for _ in trial_tasks]
    contexts = [SingleContext(CPU, outcome.rows.append, **context) for outcome in outcomes]  # type: ignore[arg-type] # never stops it
    run_fused(trial_tasks, contexts, lambda _: nullcontext(), lambda at, ended: setattr(outcomes[at], "ended", ended))
    return outcomes


def alone(trial_task: TrialTask) -> Outcome:
    outcome = Outcome()
    outcome.ended = run_task(trial_task, SingleContext(CPU, outcome.rows.append))  # type: ignore[arg-type] # never stops it
    return outcome


def plain(trial_task: TrialTask) -> Outcome:
    """The same trial as a grid without `fuse` has it."""
    outcome = Outcome()
    spec = trial_task.spec
    unfused = replace(spec, protocol=spec.protocol.model_copy(update={"fuse": 1}))
    context = SingleContext(CPU, outcome.rows.append)  # type: ignore[arg-type] # never stops it
    outcome.ended = run_trial(replace(trial_task, spec=unfused), context)
    return outcome


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("members", [OPTIMIZERS, REGULARIZERS], ids=["optimizers", "regularizers"])
def test_sixty_steps_are_those_of_trials_that_train_alone(
    place: DataLocation, name: str, members: Sequence[Member]
) -> None:
    trial_tasks = [task_of(place, MODELS[name], member, seed) for seed, member in enumerate(members)]
    for trial_task, fused in zip(trial_tasks, together(trial_tasks), strict=True):
        expected = plain(trial_task)
        assert expected.result.steps == 60 == fused.result.steps
        assert [row.lr for row in fused.rows] == [row.lr for row in expected.rows]
        losses, wanted = ([row.train_loss for row in each.rows] for each in (fused, expected))
        # nets with batch norm magnify what rounding has begun
        assert losses == pytest.approx(wanted, rel=2e-3 if name in {"cnn", "resnet"} else 1e-4)
        assert fused.rows[0].gradient_norm == pytest.approx(expected.rows[0].gradient_norm, rel=1e-2)
        assert fused.result.sizes == expected.result.sizes
        assert fused.result.costs.parameters == expected.result.costs.parameters
        assert fused.result.costs.flops == expected.result.costs.flops


@pytest.mark.parametrize("name", MODELS)
def test_no_bit_depends_on_who_is_beside_it(place: DataLocation, name: str) -> None:
    members = [*OPTIMIZERS[1:4], *REGULARIZERS[:5]]
    trial_tasks = [task_of(place, MODELS[name], member, seed % 3) for seed, member in enumerate(members)]
    beside = together(trial_tasks)
    backwards = together(trial_tasks[::-1])[::-1]
    for trial_task, one, other in zip(trial_tasks, beside, backwards, strict=True):
        assert one.trained == other.trained == alone(trial_task).trained


def test_stochastic_depth_is_each_trial_s_own(place: DataLocation) -> None:
    members: list[Member] = [(Adam(), (StochasticDepth(p=p),), {}) for p in (0.5, 0.2)]
    trial_tasks = [task_of(place, MODELS["resnet"], member, 0) for member in (*members, (Adam(), (), {}))]
    for trial_task, fused in zip(trial_tasks, together(trial_tasks), strict=True):
        assert fused.rows[0].train_loss == pytest.approx(plain(trial_task).rows[0].train_loss, rel=1e-3)
        assert fused.trained == alone(trial_task).trained


def test_splits_of_unequal_sizes_and_labels_of_one_s_own_do_not_touch_the_others(place: DataLocation) -> None:
    data = {"folds": 4, "label_noise": 0.3}
    member: Member = (Adam(lr=0.01), (), {})
    trial_tasks = [task_of(place, MODELS["cnn"], member, seed, data=data, batch_size=32) for seed in range(4)]
    fused = together(trial_tasks)
    assert len({outcome.result.sizes.train_size for outcome in fused}) > 1
    for trial_task, outcome in zip(trial_tasks, fused, strict=True):
        assert outcome.trained == alone(trial_task).trained
        assert outcome.rows[0].train_loss == pytest.approx(plain(trial_task).rows[0].train_loss, rel=1e-4)


def test_one_diverges_one_stops_early_and_the_others_do_not_notice(place: DataLocation) -> None:
    members: list[Member] = [
        (Sgd(lr=1e30), (), {}),
        (Sgd(lr=1e-9), (EarlyStopping(patience=1, min_delta=0.5),), {}),
        (Adam(lr=0.01), (Dropout(),), {}),
        (Sgd(lr=0.05, momentum=0.9), (), {}),
    ]
    trial_tasks = [task_of(place, MODELS["cnn"], member, 0, epochs=4) for member in members]
    fused = together(trial_tasks)
    assert [outcome.result.status for outcome in fused] == ["diverged", "completed", "completed", "completed"]
    assert [outcome.result.epochs for outcome in fused] == [1, 2, 4, 4]
    for trial_task, outcome in zip(trial_tasks[1:], fused[1:], strict=True):
        assert outcome.trained == alone(trial_task).trained


class _Raising(Regularizer):
    """Raises in its fifth step."""

    name: ClassVar[str] = "raising"
    steps: ClassVar[int] = 0

    def on_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        type(self).steps += 1
        if type(self).steps == 5:
            raise RuntimeError("the fifth step")


def test_what_one_raises_is_its_own_end(place: DataLocation) -> None:
    members: list[Member] = [(Adam(), (), {}), (Adam(), (_Raising(),), {}), (Sgd(lr=0.05), (Mixup(),), {})]
    trial_tasks = [task_of(place, MODELS["mlp"], member, 0) for member in members]
    first, second, third = together(trial_tasks)
    assert isinstance(second.ended, RuntimeError) and not second.rows
    assert first.trained == alone(trial_tasks[0]).trained and third.trained == alone(trial_tasks[2]).trained


def test_a_time_limit_is_each_trial_s_own(place: DataLocation) -> None:
    trial_tasks = [task_of(place, MODELS["mlp"], (Adam(), (), {}), seed) for seed in range(2)]
    outcomes = [Outcome(), Outcome()]
    limits = (None, 1e-9)
    contexts = [
        SingleContext(CPU, outcome.rows.append, limit)  # type: ignore[arg-type] # never stops it
        for outcome, limit in zip(outcomes, limits, strict=True)
    ]
    run_fused(trial_tasks, contexts, lambda _: nullcontext(), lambda at, ended: setattr(outcomes[at], "ended", ended))
    assert isinstance(outcomes[1].ended, TrialTimedOut)
    assert outcomes[0].trained == alone(trial_tasks[0]).trained


class _StopError(Exception):
    """Stands for whatever ends an attempt."""


def test_it_goes_on_from_its_checkpoint_beside_others_or_alone(place: DataLocation, tmp_path: Path) -> None:
    members: list[Member] = [(Adam(), (Dropout(),), {}), (Sgd(lr=0.05, momentum=0.9), (Augment(flip=True),), {})]
    trial_tasks = [task_of(place, MODELS["cnn"], member, seed, epochs=4) for seed, member in enumerate(members)]
    whole = [alone(trial_task) for trial_task in trial_tasks]

    def stopping(rows: list[EpochRow]) -> SingleContext:
        def report(row: EpochRow) -> bool:
            rows.append(row)
            if row.epoch == 3:
                raise _StopError
            return False

        return SingleContext(CPU, report)

    kept = [
        replace(each, checkpoints=Checkpoints(tmp_path / str(at), 0.0, "unfinished", 0))
        for at, each in enumerate(trial_tasks)
    ]
    outcomes = [Outcome(), Outcome()]
    contexts = [stopping(outcome.rows) for outcome in outcomes]
    run_fused(kept, contexts, lambda _: nullcontext(), lambda at, ended: setattr(outcomes[at], "ended", ended))
    assert all(isinstance(outcome.ended, _StopError) for outcome in outcomes)
    resumed = [each.resumed_at(2) for each in kept]
    beside = together(resumed)
    assert [outcome.trained for outcome in beside] == [outcome.trained for outcome in whole]
    assert [alone(each).trained for each in resumed] == [outcome.trained for outcome in whole]


def test_a_checkpoint_that_does_not_fit_costs_its_own_trial_alone(
    place: DataLocation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member: Member = (Adam(), (), {})
    other = task_of(place, Mlp(hidden=(5,)), member, 0)
    written = replace(other, checkpoints=Checkpoints(tmp_path, 0.0, "unfinished", 0))
    alone(written)
    trial_tasks = [task_of(place, MODELS["mlp"], member, seed) for seed in range(2)]
    unfit = replace(trial_tasks[0], checkpoints=Checkpoints(tmp_path, 0.0, "unfinished", 3))
    first, second = together([unfit, trial_tasks[1]])
    assert "starts from the beginning: its checkpoint does not fit this trial" in capsys.readouterr().out
    assert first.trained == alone(trial_tasks[0]).trained
    assert second.trained == alone(trial_tasks[1]).trained


class _Unstackable(Mlp):
    """Says that it can be stacked, and has a layer of its own."""

    name: ClassVar[str] = "unstackable"

    def build(self, data: Any, outputs: int) -> nn.Module:
        return nn.Sequential(super().build(data, outputs), nn.PReLU())


def test_a_net_that_cannot_be_stacked_ends_all_of_its_trials_with_the_layer_s_name(place: DataLocation) -> None:
    trial_tasks = [task_of(place, _Unstackable(), (Adam(), (), {}), seed) for seed in range(2)]
    for outcome in together(trial_tasks):
        assert isinstance(outcome.ended, CannotFuse) and "1.PReLU" in str(outcome.ended)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("frames", [0, 3])
def test_numbers_and_clips_are_learnt_in_a_stack_too(place: DataLocation, task: str, frames: int) -> None:
    data = FewDigits(frames=frames, task=task)
    protocol = Protocol.from_parameters({"epochs": 2, "fuse": 4, "batch_size": 16})
    model, fingerprint = Lstm(hidden=8), data.fingerprint(place)
    trial_tasks = []
    for seed in range(3):
        spec = TrialSpec(data, model, Adam(lr=0.01), (), protocol, seed, fingerprint)
        trial_tasks.append(TrialTask(spec.trial_id, 1, spec, place, None))
    for trial_task, fused in zip(trial_tasks, together(trial_tasks), strict=True):
        losses, wanted = ([row.train_loss for row in each.rows] for each in (fused, plain(trial_task)))
        assert losses == pytest.approx(wanted, rel=1e-4)
        assert fused.trained == alone(trial_task).trained


def test_the_time_of_a_stack_is_shared_out_among_its_trials(place: DataLocation) -> None:
    trial_tasks = [task_of(place, MODELS["mlp"], (Adam(), (), {}), seed) for seed in range(4)]
    seconds = {tuple(row.seconds for row in outcome.rows) for outcome in together(trial_tasks)}
    assert len(seconds) == 1 and all(each > 0 for each in next(iter(seconds)))
