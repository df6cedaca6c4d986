"""Trials with all that changes batches and losses: what training sees, and that nothing else sees any of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.context import SingleContext
from trainables.data.batches import Batches
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import DataInfo, DataLocation, Examples
from trainables.interfaces import Model, Regularizer
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.class_weights import ClassWeights
from trainables.regularizers.cutmix import Cutmix
from trainables.regularizers.decoupled_weight_decay import DecoupledWeightDecay
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.erasing import Erasing
from trainables.regularizers.focal_loss import FocalLoss
from trainables.regularizers.l1 import L1
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.regularizers.mixup import Mixup
from trainables.spec import TrialSpec, TrialTask, derived_seeds
from trainables.training.prepare import prepared
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
EVERYTHING: tuple[Regularizer, ...] = (
    Augment(crop=1, flip=True, rotation=20, colour=0.2),
    Erasing(probability=1.0),
    Mixup(alpha=1.0),
    Cutmix(),
    FocalLoss(),
    ClassWeights(beta=0.99),
    LabelSmoothing(),
    Dropout(p=0.2),
    L1(),
    DecoupledWeightDecay(),
)
seen: dict[bool, list[Tensor]] = {True: [], False: []}
"""Inputs of the last trial's model, in training and in evaluation."""
answers: list[Tensor] = []
"""What it gave for those of evaluation."""


class _Spied(Model):
    """A linear classifier that keeps what it is shown."""

    name = "spied"

    def build(self, data: DataInfo, outputs: int) -> nn.Module:
        module = nn.Sequential(nn.Flatten(), nn.Linear(data.channels * data.height * data.width, outputs))
        module.register_forward_hook(_keep)
        return module


def _keep(module: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
    seen[module.training].append(inputs[0].clone())
    if not module.training:
        answers.append(outputs.clone())


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    for kept in (seen[True], seen[False], answers):
        kept.clear()


def trial(cache: Path, *regularizers: Regularizer) -> tuple[TrialResult, list[EpochRow], TrialSpec, DataLocation]:
    place = DataLocation(data=None, beside=None, cache=cache)
    digits = registry.get("dataset", "digits").from_parameters({})
    protocol = Protocol(epochs=2, batch_size=64)
    spec = TrialSpec(digits, _Spied(), Sgd(lr=0.05), regularizers, protocol, 0, digits.fingerprint(place))
    rows: list[EpochRow] = []
    result = run_trial(TrialTask(spec.trial_id, 1, spec, place, None), SingleContext(CPU, rows.append))
    return result, rows, spec, place


def test_validation_and_test_are_read_as_they_are_and_measured_by_the_plain_loss(tmp_path: Path) -> None:
    result, rows, spec, place = trial(tmp_path, *EVERYTHING)
    seed = derived_seeds(spec.seed).split
    data = prepared(spec.dataset, place, spec.fingerprint, spec.protocol.splits, seed, CPU)

    def clean(indices: np.ndarray) -> tuple[Tensor, Tensor]:
        ((inputs, labels),) = data.batches.evaluation(indices, len(indices), lambda count: slice(0, count))
        return inputs, labels

    (val, val_labels), (test, test_labels) = clean(data.split.val), clean(data.split.test)
    of_val = [place for place, inputs in enumerate(seen[False]) if inputs.shape == val.shape]
    assert len(of_val) == 2, "after each epoch"
    for index, row in zip(of_val, rows, strict=True):
        assert torch.equal(seen[False][index], val)
        assert row.val.loss == pytest.approx(float(F.cross_entropy(answers[index].double(), val_labels)), rel=1e-6)
    of_test = [place for place, inputs in enumerate(seen[False]) if inputs.shape == test.shape]
    assert len(of_test) == 1 and torch.equal(seen[False][of_test[0]], test)
    assert result.test is not None
    assert result.test.loss == pytest.approx(
        float(F.cross_entropy(answers[of_test[0]].double(), test_labels)), rel=1e-6
    )


def test_training_sees_no_image_as_it_is_stored(tmp_path: Path) -> None:
    _, _, spec, place = trial(tmp_path, *EVERYTHING)
    shown = torch.cat([inputs.flatten(1) for inputs in seen[True]])
    data = prepared(spec.dataset, place, spec.fingerprint, spec.protocol.splits, derived_seeds(0).split, CPU)
    ((stored, _),) = data.batches.evaluation(data.split.train, 10_000, lambda count: slice(0, count))
    made_up = spec.protocol.batch_size  # of zeros, by which the memory of a batch is counted
    assert len(shown) == 2 * len(stored) + made_up
    assert float(torch.cdist(shown, stored.flatten(1)).min()) > 0.1


@pytest.mark.parametrize(
    "regularizers", [EVERYTHING, (Mixup(),), (Cutmix(), LabelSmoothing()), (Erasing(), FocalLoss())]
)
def test_the_same_trial_twice_gives_the_same_figures(tmp_path: Path, regularizers: tuple[Regularizer, ...]) -> None:
    def figures() -> list[object]:
        result, rows, _, _ = trial(tmp_path, *regularizers)
        return [result.status, result.test, *((row.train_loss, row.train_accuracy, row.val.loss) for row in rows)]

    first = figures()
    assert first[0] == "completed"
    assert figures() == first


def test_plain_training_still_learns_with_all_of_it(tmp_path: Path) -> None:
    """A smoke test of signs: with any of the losses turned round the accuracy would be below chance."""
    for regularizer in (Mixup(), Cutmix(), Erasing(), FocalLoss(), ClassWeights(), LabelSmoothing(), L1()):
        result, _, _, _ = trial(tmp_path, regularizer)
        assert result.test is not None and (result.test.accuracy or 0) > 0.7, regularizer


def test_accuracy_while_training_counts_the_most_probable_class_of_a_mixed_example() -> None:
    """A model that always answers class 0, on examples of class 0 alone and pairs with class 1."""

    class HalfMixed(Regularizer):
        name = "half_mixed"
        mixes_classes = True

        def on_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            assert torch.equal(targets, F.one_hot(torch.tensor([0, 0, 1, 1]), 3).float()), "probabilities of 3 classes"
            return inputs, torch.tensor([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.6, 0.4, 0], [0, 1, 0]])

    inputs = np.zeros((4, 1, 2, 2), dtype=np.uint8)
    examples = Examples(inputs, np.array([0, 0, 1, 1]), np.zeros(4, dtype=bool))
    statistics = ChannelStatistics(np.zeros(1, np.float32), np.ones(1, np.float32))
    batches = Batches(examples, statistics, CPU, channels_last=True)

    shuffle = torch.Generator().manual_seed(_seed_that_keeps_the_order())
    ((_, targets),) = batches.training(
        np.arange(4), 4, (HalfMixed(),), shuffle, torch.Generator(), lambda count: slice(0, count), 3
    )
    task = registry.get("task", "classification")()
    always_first = torch.tensor([[5.0, 0, 0]]).expand(4, 3)
    assert int(task.correct(always_first, targets)) == 2  # type: ignore[attr-defined] # a task


def _seed_that_keeps_the_order() -> int:
    return next(
        seed
        for seed in range(1000)
        if torch.equal(torch.randperm(4, generator=torch.Generator().manual_seed(seed)), torch.arange(4))
    )


@pytest.mark.gpu
@pytest.mark.parametrize(
    "regularizer", [each for each in EVERYTHING if type(each).on_batch is not Regularizer.on_batch]
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_batches_are_changed_on_the_gpu(regularizer: Regularizer, dtype: torch.dtype) -> None:
    gpu = torch.device("cuda", 0)
    inputs = (torch.rand(64, 3, 16, 16, device=gpu) * (255 if dtype == torch.uint8 else 1)).to(dtype)
    targets = torch.eye(64, device=gpu)

    def changed(seed: int) -> tuple[Tensor, Tensor]:
        return regularizer.on_batch(inputs, targets, torch.Generator(gpu).manual_seed(seed))

    (first, mixed), (again, _), (other, _) = changed(1), changed(1), changed(2)
    assert first.device == mixed.device == gpu
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(64, device=gpu))
