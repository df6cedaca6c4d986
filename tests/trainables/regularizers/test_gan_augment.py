"""Generated training images: of which classes, from which images, in which columns."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from tests.trainables.numbered import CLASSES, SIDE, Numbered, numbers
from tests.trainables.training.test_fit import Table, ThreadContext
from trainables.context import Context, SingleContext
from trainables.dataset import DataInfo, DataLocation, Examples
from trainables.errors import DataError, TrainablesError, TrialCancelled
from trainables.interfaces import Generated, Regularizer
from trainables.models.mlp import Mlp
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.regularizers.gan_augment import GanAugment
from trainables.spec import TrialSpec, TrialTask, derived_seeds
from trainables.training.generation import add_generated
from trainables.training.prepare import Prepared, prepared
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
HERE = SingleContext(CPU, print)
PLACE = DataLocation(None, None, Path())
INFO = Numbered().info(PLACE)
QUICK = GanAugment(steps=2, batch_size=8, latent=4, channels=(4,))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


def training_split(counts: tuple[int, ...]) -> Examples:
    """So many examples of each class."""
    whole = Numbered().load(PLACE)
    chosen = np.concatenate([np.flatnonzero(whole.targets == label)[:count] for label, count in enumerate(counts)])
    return Examples(whole.inputs[chosen], whole.targets[chosen], whole.official_test[chosen])


def made(regularizer: GanAugment, counts: tuple[int, ...] = (20, 20, 20), seed: int = 0) -> Generated:
    return regularizer.more_examples(training_split(counts), INFO, seed, HERE)


@pytest.mark.parametrize(
    ("balance", "ratio", "expected"),
    [
        ("training", 1.0, [30, 10, 0]),
        ("training", 0.25, [8, 2, 0]),
        ("uniform", 1.0, [20, 20, 0]),
        ("uniform", 2.5, [50, 50, 0]),
    ],
)
def test_as_many_of_each_class_as_asked_for_and_none_of_an_absent_one(
    balance: Any, ratio: float, expected: list[int]
) -> None:
    examples = made(QUICK.model_copy(update={"balance": balance, "ratio": ratio}), (30, 10, 0)).examples
    assert np.bincount(examples.targets, minlength=3).tolist() == expected
    assert examples.inputs.shape == (sum(expected), 1, SIDE, SIDE)
    assert not examples.official_test.any()


def test_the_images_are_of_the_class_they_are_labelled_with() -> None:
    generated = made(GanAugment(steps=400, batch_size=32, latent=8, channels=(16,), lr=2e-3))
    rows = generated.examples.inputs[:, 0].astype(float).mean(axis=2)
    brightness = np.stack([rows[:, 2 * label + 1 : 2 * label + 3].mean(axis=1) for label in range(3)], axis=1)
    assert (brightness.argmax(axis=1) == generated.examples.targets).mean() > 0.95
    assert len(np.unique(generated.examples.inputs.reshape(60, -1), axis=0)) == 60


def test_the_seed_decides() -> None:
    first, again, other = made(QUICK), made(QUICK), made(QUICK, seed=1)
    assert np.array_equal(first.examples.inputs, again.examples.inputs)
    assert not np.array_equal(first.examples.inputs, other.examples.inputs)


def test_floats_stay_floats() -> None:
    train = training_split((9, 9, 9))
    floats = Examples((train.inputs / 255).astype(np.float32), train.targets, train.official_test)
    inputs = QUICK.more_examples(floats, INFO, 0, HERE).examples.inputs
    assert inputs.dtype == np.float32
    assert inputs.min() >= 0 and inputs.max() <= 1
    whole = QUICK.more_examples(train, INFO, 0, HERE).examples.inputs
    assert whole.dtype == np.uint8
    assert np.abs(whole / 255 - inputs).max() < 0.01


def test_a_gan_that_diverges_and_a_trial_that_is_cancelled_end_with_their_reason() -> None:
    with pytest.raises(TrainablesError, match="diverged within its 2 steps"):
        made(QUICK.model_copy(update={"lr": 1e38}))
    with pytest.raises(TrialCancelled):
        QUICK.more_examples(training_split((4, 4, 4)), INFO, 0, SingleContext(CPU, print, cancelled=lambda: True))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DataInfo("films", "clip", (4, 3, 8, 8), "classification", CLASSES), "makes images, but films has clip inputs"),
        (DataInfo("ages", "image", (1, 8, 8), "regression"), "needs classes, but ages has the task regression"),
        (DataInfo("many", "image", (1, 8, 8), "classification", CLASSES, streamed=True), "those of many are decoded"),
        (DataInfo("dots", "image", (1, 8, 3), "classification", CLASSES), "leaves nothing of 8x3 pixels"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(data: DataInfo, reason: str) -> None:
    assert reason in (GanAugment().unsupported_reason(data, Mlp()) or "")
    assert GanAugment().unsupported_reason(INFO, Mlp()) is None


@pytest.mark.parametrize("parameters", [{"ratio": 0}, {"steps": 0}, {"batch_size": 1}, {"balance": "all"}, {"lr": -1}])
def test_impossible_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GanAugment.from_parameters(parameters)


def run(
    place: DataLocation, *regularizers: Regularizer, image: Path | None = None
) -> tuple[TrialResult, list[EpochRow]]:
    rows: list[EpochRow] = []
    spec = spec_of(place, *regularizers)
    return run_trial(TrialTask("a", 1, spec, place, None, image=image), SingleContext(CPU, rows.append)), rows


def spec_of(place: DataLocation, *regularizers: Regularizer) -> TrialSpec:
    data, protocol = Numbered(), Protocol.from_parameters({"epochs": 2, "batch_size": 20})
    return TrialSpec(data, Mlp(hidden=(4,)), Sgd(), regularizers, protocol, 0, data.fingerprint(place))


def data_of(place: DataLocation) -> Prepared:
    spec = spec_of(place)
    return prepared(spec.dataset, place, spec.fingerprint, spec.protocol.splits, derived_seeds(0).split, CPU)


def test_a_trial_tells_what_was_made_and_what_it_took(place: DataLocation, tmp_path: Path) -> None:
    result, rows = run(place, QUICK.model_copy(update={"ratio": 0.5}), image=tmp_path / "a.png")
    assert result.status == "completed"
    assert (result.sizes.train_size, result.sizes.generated_size) == (162, 81)
    assert result.costs.generation_seconds is not None and result.costs.generation_seconds > 0
    assert result.costs.samples_per_second * sum(row.seconds for row in rows) == pytest.approx(2 * (162 + 81))
    assert np.asarray(Image.open(tmp_path / "a.png")).shape == (3 * 9 - 1, 10 * 9 - 1)

    plain, _ = run(place, image=tmp_path / "plain.png")
    assert (plain.sizes.generated_size, plain.costs.generation_seconds) == (0, None)
    assert plain.val is not None and plain.val != result.val
    assert not (tmp_path / "plain.png").exists()


class _Watched(GanAugment):
    """Notes what it is shown."""

    name = "watched"

    def more_examples(self, train: Examples, data: DataInfo, seed: int, context: Context) -> Generated:
        _shown.append(train)
        return super().more_examples(train, data, seed, context)


_shown: list[Examples] = []


def test_no_image_of_validation_or_test_reaches_it(place: DataLocation) -> None:
    run(place, _Watched(steps=2, batch_size=8, latent=4, channels=(4,)))
    (shown,) = _shown
    split = data_of(place).split
    assert numbers(shown.inputs) == split.train.tolist()
    assert np.array_equal(shown.targets, Numbered().load(place).targets[split.train])
    assert len(split.val) == 18 and len(split.test) == 60


def test_validation_test_and_statistics_stay_as_they_were(place: DataLocation) -> None:
    data = data_of(place)
    extended = add_generated(data, [QUICK], 0, HERE).data
    assert np.array_equal(extended.split.val, data.split.val) and np.array_equal(extended.split.test, data.split.test)
    for part in (data.split.train, data.split.val, data.split.test):
        (before,), (after,) = (
            list(batches.evaluation(part, 1000, lambda n: slice(0, n))) for batches in (data.batches, extended.batches)
        )
        assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])
    assert extended.facts.class_counts == tuple(2 * count for count in data.facts.class_counts)
    assert (extended.facts.mean, extended.facts.std) == (data.facts.mean, data.facts.std) and data.facts.mean
    assert len(extended.split.train) == 324 and extended.split.train.max() == 240 + 161


def test_the_first_rank_s_images_are_learnt_by_all(place: DataLocation) -> None:
    class Own(Regularizer):
        """Makes what no other rank would."""

        name = "own"

        def more_examples(self, train: Examples, data: DataInfo, seed: int, context: Context) -> Generated:
            inputs = np.full_like(train.inputs[:5], context.rank + 1)
            return Generated(Examples(inputs, train.targets[:5], train.official_test[:5]))

    table, data, outcomes = Table(3), data_of(place), [None, None, None]

    def work(rank: int) -> None:
        more = add_generated(data, [Own()], 0, ThreadContext(rank, table, print))
        outcomes[rank] = more.data.batches.examples(more.data.split.train[-5:]).inputs  # type: ignore[call-overload]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(outcome is not None and (outcome == 1).all() for outcome in outcomes)


def test_examples_of_another_form_are_refused(place: DataLocation) -> None:
    class Floats(Regularizer):
        name = "floats"

        def more_examples(self, train: Examples, data: DataInfo, seed: int, context: Context) -> Generated:
            return Generated(Examples(train.inputs.astype(np.float32) / 255, train.targets, train.official_test))

    with pytest.raises(DataError, match="generated inputs are float32, those of numbered uint8"):
        add_generated(data_of(place), [Floats()], 0, HERE)
