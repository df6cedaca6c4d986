"""Whole trials on clips: what time tells is learnt from its order, and only there."""

import pytest
import torch

from trainables.context import SingleContext
from trainables.dataset import DataPlace
from trainables.datasets.moving_digits import MovingDigits
from trainables.model import Model
from trainables.models.cnn3d import Cnn3d
from trainables.models.cnn_rnn import CnnRnn
from trainables.models.frame_average import FrameAverage
from trainables.models.gru import Gru
from trainables.optimizers.adam import Adam
from trainables.order import TrialOrder
from trainables.protocol import Protocol
from trainables.records import TrialResult
from trainables.regularizer import Regularizer
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout
from trainables.spec import TrialSpec
from trainables.trial import run_trial

TINY = MovingDigits(examples=240, length=6, size=10)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataPlace:
    return DataPlace(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run(
    place: DataPlace, dataset: MovingDigits, model: Model, *regularizers: Regularizer, **protocol: object
) -> TrialResult:
    settings = Protocol.from_parameters({"epochs": 1, **protocol})
    spec = TrialSpec(dataset, model, Adam(lr=0.003), regularizers, settings, 0, dataset.fingerprint(place))
    return run_trial(TrialOrder("t", 1, spec, place, None), SingleContext(torch.device("cpu"), lambda row: None))


@pytest.mark.parametrize(
    "model",
    [CnnRnn(channels=(4,), features=8, hidden=8), Cnn3d(channels=(4, 4)), FrameAverage(channels=(4,)), Gru(hidden=8)],
    ids=lambda model: model.name,
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_clips_go_the_whole_way_changed_and_dropped_out(place: DataPlace, model: Model, precision: str) -> None:
    changes = (Augment(crop=1, colour=0.2), Dropout(p=0.2))
    result = run(place, TINY, model, *changes, precision=precision)
    assert result.status == "completed"
    assert (result.sizes.train, result.sizes.test) == (192 - result.sizes.val, 48)
    assert result.test is not None and result.test.accuracy is not None
    assert len(result.breakdown.classes) == 8
    assert result.costs.flops > 0 and (result.costs.latency_ms_p50 or 0) > 0
    assert run(place, TINY, model, *changes, precision=precision).test == result.test


def test_a_movement_that_is_mirrored_or_turned_is_another_one(place: DataPlace) -> None:
    info = TINY.info(place)
    for change in (Augment(flip=True), Augment(rotation=5)):
        reason = change.supports(info, FrameAverage())
        assert reason == "an example of moving_digits that is mirrored or turned belongs to another class"
    assert Augment(crop=1, colour=0.1).supports(info, FrameAverage()) is None
