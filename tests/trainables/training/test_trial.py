"""Whole trials on real data: what they give, that they repeat, and how they end."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from trainables.context import SingleContext
from trainables.data import autoencoder
from trainables.dataset import DataLocation
from trainables.errors import TrialCancelled, TrialTimedOut
from trainables.interfaces import Model, Optimizer, Regularizer
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.optimizers.adam import Adam
from trainables.optimizers.adamw import AdamW
from trainables.optimizers.rmsprop import RmsProp
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import Breakdown, EpochRow, TrialResult
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.early_stopping import EarlyStopping
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.regularizers.weight_decay import WeightDecay
from trainables.spec import TrialSpec, TrialTask, derived_seeds
from trainables.training.prepare import prepared
from trainables.training.trial import run_trial

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def spec_of(
    place: DataLocation,
    model: Model | None = None,
    optimizer: Optimizer | None = None,
    *regularizers: Regularizer,
    seed: int = 0,
    data: dict[str, Any] | None = None,
    **protocol: Any,
) -> TrialSpec:
    digits = registry.get("dataset", "digits").from_parameters(data or {})
    settings = Protocol.from_parameters({"epochs": 2, **protocol})
    fingerprint = digits.fingerprint(place)
    return TrialSpec(digits, model or Mlp(), optimizer or Sgd(), regularizers, settings, seed, fingerprint)


def run(
    place: DataLocation, spec: TrialSpec, weights: Path | None = None, **context: Any
) -> tuple[TrialResult, list[EpochRow]]:
    rows: list[EpochRow] = []
    trial_task = TrialTask(spec.trial_id, 1, spec, place, weights)
    return run_trial(trial_task, SingleContext(CPU, rows.append, **context)), rows


def trained(result: TrialResult, rows: list[EpochRow]) -> object:
    """All that must not differ between two runs."""
    curves = [(row.lr, row.train_loss, row.train_accuracy, row.val.loss, row.val.accuracy) for row in rows]
    return curves, result.best_epoch, result.train, result.val, result.test, result.breakdown, result.sizes


def test_a_trial_gives_the_same_figures_whatever_ran_before_it(place: DataLocation) -> None:
    shaky = [Dropout(p=0.3), Augment(crop=1, flip=True, rotation=10, colour=0.2), LabelSmoothing()]
    one = spec_of(place, Cnn(channels=(4,), batch_norm=True), Adam(), *shaky, WeightDecay(), schedule="cosine")
    other = spec_of(place, Lstm(hidden=16), RmsProp(), seed=1, epochs=1)
    first, second = trained(*run(place, one)), trained(*run(place, other))
    assert trained(*run(place, one)) == first
    assert trained(*run(place, other)) == second


def test_parameters_that_are_called_as_methods_are_parameters(place: DataLocation) -> None:
    class Named(Mlp):
        name = "named"
        learner: int = 1
        cache_features: bool = True

    assert trained(*run(place, spec_of(place, Named()))) == trained(*run(place, spec_of(place, Mlp())))


def test_a_trial_is_the_plain_loop_that_anyone_would_write(place: DataLocation) -> None:
    spec = spec_of(place, Mlp(hidden=(16,)), Sgd(lr=0.05, momentum=0.9), batch_size=50)
    seeds = derived_seeds(spec.seed)
    data = prepared(spec.dataset, place, spec.fingerprint, spec.protocol.splits, seeds.split, CPU)
    (train, labels), (test, test_labels) = (
        (torch.cat(tensors) for tensors in zip(*data.batches.evaluation(part, 64, lambda n: slice(0, n)), strict=True))
        for part in (data.split.train, data.split.test)
    )
    torch.manual_seed(seeds.init)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    shuffle = torch.Generator().manual_seed(seeds.shuffle)
    losses = []
    for _ in range(2):
        total = 0.0
        for chosen in torch.randperm(len(train), generator=shuffle).split(50):
            optimizer.zero_grad()
            loss = F.cross_entropy(module(train[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(chosen)
        losses.append(total / len(train))

    result, rows = run(place, spec)
    assert [row.train_loss for row in rows] == pytest.approx(losses, rel=1e-5)
    assert result.test is not None
    assert result.test.accuracy == float((module(test).argmax(1) == test_labels).double().mean())


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        (Mlp(), Sgd()),
        (Cnn(channels=(8, 16), batch_norm=True), Adam(lr=0.003)),
        (Resnet(depth=8, width=8), AdamW(lr=0.01)),
        (Lstm(hidden=32), RmsProp(lr=0.003)),
    ],
)
def test_every_model_learns_digits(place: DataLocation, model: Model, optimizer: Optimizer) -> None:
    result, rows = run(place, spec_of(place, model, optimizer, epochs=4, batch_size=32))
    assert result.status == "completed"
    assert result.test is not None and result.test.accuracy is not None and result.test.accuracy > 0.85
    assert rows[-1].train_loss < rows[0].train_loss
    assert result.costs.flops > 0 and result.costs.parameters > 0
    assert 0 < (result.costs.latency_ms_p50 or 0) <= (result.costs.latency_ms_p95 or 0)
    assert (result.costs.batch_latency_ms_p50 or 0) <= (result.costs.batch_latency_ms_p95 or 0)


def test_the_weights_of_the_selected_epoch_are_kept_and_measured(place: DataLocation, tmp_path: Path) -> None:
    jumpy = Sgd(lr=1.5)  # too fast, so that the last epoch is not the best
    spec = spec_of(place, Mlp(hidden=(16,)), jumpy, epochs=6, keep_weights="best")
    path = tmp_path / "weights.safetensors"
    result, rows = run(place, spec, weights=path)
    best = max(rows, key=lambda row: (row.val.accuracy, -row.epoch))
    assert result.best_epoch == best.epoch < 6
    assert result.val is not None and result.val.accuracy == best.val.accuracy

    data = prepared(spec.dataset, place, spec.fingerprint, spec.protocol.splits, derived_seeds(0).split, CPU)
    module = spec.model.build(data.info, 10).eval()
    module.load_state_dict(load_file(path))
    correct = count = 0
    for inputs, labels in data.batches.evaluation(data.split.test, 100, lambda n: slice(0, n)):
        correct, count = correct + int((module(inputs).argmax(1) == labels).sum()), count + len(labels)
    assert result.test is not None and result.test.accuracy == correct / count


def test_selecting_on_the_loss_takes_the_epoch_with_the_smallest(place: DataLocation) -> None:
    result, rows = run(place, spec_of(place, Mlp(hidden=(16,)), Sgd(lr=1.5), epochs=5, select="val_loss"))
    assert result.best_epoch == min(rows, key=lambda row: row.val.loss).epoch


def test_a_trial_that_diverges_says_when_and_never_reads_the_test_split(place: DataLocation, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    result, rows = run(place, spec_of(place, None, Sgd(lr=1e30), epochs=5), weights=path)
    assert result.status == "diverged"
    assert result.reason is not None and "loss is nan in epoch 1, at a learning rate of 1e+30" in result.reason
    assert (result.epochs, len(rows), result.best_epoch) == (1, 1, None)
    assert result.train is result.val is result.test is None
    assert result.breakdown == Breakdown() and not path.exists()
    assert not math.isfinite(rows[0].train_loss) and result.costs.train_seconds > 0


def test_early_stopping_ends_a_trial_that_no_longer_improves(place: DataLocation) -> None:
    result, rows = run(place, spec_of(place, None, Sgd(lr=1e-12), EarlyStopping(patience=2, min_delta=0.01), epochs=9))
    assert result.status == "completed"
    assert result.epochs == len(rows) == 3


def test_a_trial_ends_at_its_time_limit_and_when_it_is_cancelled(place: DataLocation) -> None:
    rows: list[EpochRow] = []
    trial_task = TrialTask("t", 1, spec_of(place, epochs=10_000), place, None)
    with pytest.raises(TrialTimedOut, match=r"0\.2 s"):
        run_trial(trial_task, SingleContext(CPU, rows.append, time_limit=0.2))
    with pytest.raises(TrialCancelled):
        run_trial(trial_task, SingleContext(CPU, rows.append, cancelled=lambda: len(rows) >= 2))


def switches() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.get_float32_matmul_precision(),
        cudnn.allow_tf32,
        cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(),
        torch.backends.mkldnn.enabled,
    )


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_precision_and_determinism_end_with_the_trial(place: DataLocation, precision: str) -> None:
    before, seen = switches(), []
    protocol = Protocol.from_parameters({"epochs": 2, "precision": precision, "deterministic": True})
    spec = spec_of(place, Cnn(channels=(8,)), Adam(lr=0.003), precision=precision, deterministic=True)
    assert spec.protocol == protocol
    trial_task = TrialTask("t", 1, spec, place, None)
    result = run_trial(trial_task, SingleContext(CPU, lambda row: seen.append(switches())))
    assert seen[0][3] is True and switches() == before
    assert result.test is not None and (result.test.accuracy or 0) > 0.8
    with pytest.raises(TrialCancelled):
        run_trial(trial_task, SingleContext(CPU, print, cancelled=lambda: True))
    assert switches() == before


@pytest.mark.parametrize("batch_size", [1, 1258, 100_000])
def test_any_batch_size_trains(place: DataLocation, batch_size: int) -> None:
    model = Cnn(channels=(2,), hidden=(4,), batch_norm=True)
    result, rows = run(place, spec_of(place, model, Sgd(lr=0.01), epochs=1, batch_size=batch_size))
    assert result.status == "completed" and math.isfinite(rows[0].train_loss)


def test_a_planted_cue_is_what_a_model_learns_where_it_is_always_right(place: DataLocation) -> None:
    result, _ = run(place, spec_of(place, Mlp(), Adam(), data={"spurious": 1.0}, epochs=8))
    cue = result.cue
    assert cue is not None and result.test is not None
    assert cue.agrees_accuracy is not None and cue.conflicts_accuracy is not None
    assert cue.agrees_accuracy > cue.conflicts_accuracy + 0.1
    right = cue.agrees_accuracy * cue.agrees_size + cue.conflicts_accuracy * (result.sizes.test_size - cue.agrees_size)
    assert right / result.sizes.test_size == pytest.approx(result.test.accuracy)
    assert 10 < cue.agrees_size < 70  # a tenth of 360

    plain, _ = run(place, spec_of(place, Mlp(), Adam(), epochs=1))
    assert plain.cue is None


def test_few_labels_are_few_examples_and_the_rest_is_counted(place: DataLocation) -> None:
    result, _ = run(place, spec_of(place, Mlp(), Adam(), data={"per_class": 10}, epochs=1))
    full, _ = run(place, spec_of(place, Mlp(), Adam(), epochs=1))
    assert (result.sizes.train_size, result.sizes.unlabelled_size) == (100, full.sizes.train_size - 100)
    assert (result.sizes.val_size, result.sizes.test_size) == (full.sizes.val_size, full.sizes.test_size)
    assert full.sizes.unlabelled_size == 0


def test_each_seed_of_a_cross_validation_tests_on_its_fold(place: DataLocation) -> None:
    sizes = [run(place, spec_of(place, seed=seed, data={"folds": 3}, epochs=1))[0].sizes for seed in range(3)]
    assert [size.test_size for size in sizes] == [599] * 3  # of 1,797


def test_a_trial_with_options_gives_the_same_figures_whatever_ran_before_it(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "STEPS", 20)  # to take less time
    options = {"denoise": "autoencoder", "spurious": 0.7, "label_noise": 0.1, "pixel_noise": 0.05, "resize": 12}
    spec, other = spec_of(place, data=options), spec_of(place, Mlp(hidden=(8,)), seed=1, epochs=1)
    first = trained(*run(place, spec))
    run(place, other)
    assert trained(*run(place, spec)) == first
