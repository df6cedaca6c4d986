"""Whole trials on clips: what time tells is learnt from its order, and only there."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.datasets.clip_folder import ClipFolder
from trainables.datasets.moving_digits import MovingDigits
from trainables.interfaces import Model, Regularizer
from trainables.models.cnn3d import Cnn3d
from trainables.models.cnn_rnn import CnnRnn
from trainables.models.frame_average import FrameAverage
from trainables.models.gru import Gru
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol, Splits
from trainables.records import TrialResult
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout
from trainables.spec import TrialSpec, TrialTask
from trainables.tasks._by_class import ClassBreakdown
from trainables.training.prepare import prepared
from trainables.training.trial import run_trial

TINY = MovingDigits(examples=240, length=6, size=10)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(
    place: DataLocation, dataset: MovingDigits, model: Model, *regularizers: Regularizer, **protocol: object
) -> TrialResult:
    settings = Protocol.from_parameters({"epochs": 1, **protocol})
    spec = TrialSpec(dataset, model, Adam(lr=0.003), regularizers, settings, 0, dataset.fingerprint(place))
    return run_trial(TrialTask("t", 1, spec, place, None), SingleContext(torch.device("cpu"), lambda row: None))


@pytest.mark.parametrize(
    "model",
    [CnnRnn(channels=(4,), features=8, hidden=8), Cnn3d(channels=(4, 4)), FrameAverage(channels=(4,)), Gru(hidden=8)],
    ids=lambda model: model.name,
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_clips_go_the_whole_way_changed_and_dropped_out(place: DataLocation, model: Model, precision: str) -> None:
    changes = (Augment(crop=1, colour=0.2), Dropout(p=0.2))
    result = run(place, TINY, model, *changes, precision=precision)
    assert result.status == "completed"
    assert (result.sizes.train_size, result.sizes.test_size) == (192 - result.sizes.val_size, 48)
    assert result.test is not None and result.test.accuracy is not None
    assert isinstance(result.breakdown, ClassBreakdown) and len(result.breakdown.classes) == 8
    assert result.costs.flops > 0 and (result.costs.latency_ms_p50 or 0) > 0
    assert run(place, TINY, model, *changes, precision=precision).test == result.test


def test_a_movement_that_is_mirrored_or_turned_is_another_one(place: DataLocation) -> None:
    info = TINY.info(place)
    for change in (Augment(flip=True), Augment(rotation=5)):
        reason = change.unsupported_reason(info, FrameAverage())
        assert reason == "an example of moving_digits that is mirrored or turned belongs to another class"
    assert Augment(crop=1, colour=0.1).unsupported_reason(info, FrameAverage()) is None


def test_clips_with_a_digit_or_a_recording_in_common_stay_in_one_split(place: DataLocation, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label, recording, frame in itertools.product("ab", range(8), range(6)):
        path = tmp_path / "films" / label / str(recording) / f"{frame}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (8, 8), np.uint8)).save(path)
    films = ClipFolder(path=str(tmp_path / "films"), frames=2, stride=1)
    for dataset in (TINY, films):
        groups = dataset.load(place).groups
        assert groups is not None and len(np.unique(groups)) < len(groups)
        for seed in range(3):
            parts = prepared(dataset, place, dataset.fingerprint(place), Splits(), seed, torch.device("cpu")).split
            of_part = [set(groups[part].tolist()) for part in (parts.train, parts.val, parts.test)]
            assert all(of_part)
            assert not any(one & other for one, other in itertools.combinations(of_part, 2))


@pytest.mark.parametrize(
    "options",
    [
        {"preprocess": "none"},
        {"preprocess": "scale", "resize": 12},
        {"denoise": "median", "pixel_noise": 0.1},
        {"denoise": "gaussian"},
        {"denoise": "nlm"},
        pytest.param({"denoise": "autoencoder"}, marks=pytest.mark.slow),
        {"spurious": 0.9},
        {"per_class": 5, "label_noise": 0.1},
        {"folds": 4, "imbalance": 0.5},
    ],
    ids=str,
)
def test_the_options_of_every_data_set_are_those_of_clips_too(place: DataLocation, options: dict[str, object]) -> None:
    dataset = MovingDigits.from_parameters({"examples": 240, "length": 6, "size": 10, **options})
    assert dataset.unsupported_reason(dataset.info(place)) is None
    result = run(place, dataset, FrameAverage(channels=(4,)))
    assert result.status == "completed"
    assert result.test is not None and result.test.accuracy is not None


@pytest.mark.parametrize("name", ["mixup", "cutmix", "erasing", "class_weights", "focal_loss", "label_smoothing"])
def test_regularizers_that_change_batches_take_clips(place: DataLocation, name: str) -> None:
    regularizer = registry.get("regularizer", name)()
    assert isinstance(regularizer, Regularizer)
    model = CnnRnn(channels=(4,), features=8, hidden=8)
    if reason := regularizer.unsupported_reason(TINY.info(place), model):
        assert "clip" in reason
        return
    assert run(place, TINY, model, regularizer).status == "completed"
