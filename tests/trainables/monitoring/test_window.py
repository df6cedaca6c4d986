"""Windows of what a net says of pictures, and what is found in them."""

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.trainables.stages.nets import CPU, TrainedNet, train
from trainables.data.images import EncodedImage
from trainables.datasets.digits import Digits
from trainables.errors import CannotDeploy
from trainables.models.mlp import Mlp
from trainables.monitoring.judge import Run, judged
from trainables.monitoring.reference import Reference
from trainables.monitoring.row import MonitorRow
from trainables.monitoring.window import NO_LABEL, UNKNOWN, Picture, Window, WindowReader, said_of
from trainables.spec import ParentTrial, TrialTask
from trainables.stages.inputs import NetInputs
from trainables.stages.measured_net import as_pixels
from trainables.stages.trial_net import TrialNet, trained_net
from trainables.training.prepare import Prepared, prepared_for

RUN = Run(datetime(2026, 1, 2, tzinfo=UTC), "camera")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    splits = {"validation": 0.4, "test": 0.3}
    return train(tmp_path_factory.mktemp("net"), Mlp(hidden=(16,)), Digits(), epochs=3, splits=splits)


@pytest.fixture(scope="module")
def data(trained: TrainedNet) -> Prepared:
    return prepared_for(TrialTask(trained.spec.trial_id, 1, trained.spec, trained.place, None), CPU)


@pytest.fixture(scope="module")
def net(trained: TrainedNet, data: Prepared) -> TrialNet:
    weights = ParentTrial(trained.spec.trial_id, trained.weights, None)
    return trained_net(trained.spec, NetInputs.of_data(data), weights)


@pytest.fixture(scope="module")
def reference(net: TrialNet, data: Prepared) -> Reference:
    return Reference.of(net, data, ["bbsd", "labels"], 50, 0.05, seed=1)


def held_out(data: Prepared, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    examples = data.batches.examples(data.split.test[:count])
    return as_pixels(examples.inputs), examples.targets.astype(np.int64)


def picture(image: NDArray[np.uint8], name: str = "a", label: int = NO_LABEL) -> Picture:
    stream = BytesIO()
    Image.fromarray(image[0]).save(stream, "PNG")
    return Picture(name, EncodedImage(name, stream.getvalue()), label=label)


def window_of(net: TrialNet, images: NDArray[np.uint8], labels: list[int]) -> Window:
    reader = WindowReader(net, len(images))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        assert reader.take(picture(image, str(number), label)) is None
    window = reader.full()
    assert window is not None
    return window


def rows(window: Window, reference: Reference) -> dict[str, MonitorRow]:
    return {row.detector: row for row in judged(window, 1, reference, RUN)}


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_a_window_is_what_the_net_says_whatever_goes_through_it_at_once(
    net: TrialNet, data: Prepared, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more pixels wait than go through it at once."""
    images, targets = held_out(data, 60)
    monkeypatch.setattr(TrialNet, "batch_size", batch)
    seen: list[int] = []
    whole = TrialNet.said_of

    def counted(self: TrialNet, stored: Any) -> Any:
        seen.append(len(stored))
        return whole(self, stored)

    monkeypatch.setattr(TrialNet, "said_of", counted)
    window = window_of(net, images, targets.tolist())
    assert max(seen) <= batch and sum(seen) == 60
    assert np.allclose(window.said.probabilities, net.predict([*images[:, 0]]).probabilities, atol=1e-6)
    assert window.labels.tolist() == targets.tolist() and window.said.features.shape == (60, 16)
    assert (window.first, window.last, window.first_image, window.last_image) == (1, 60, "0", "59")


def test_windows_follow_each_other_and_broken_pictures_count_where_they_come(net: TrialNet, data: Prepared) -> None:
    images, _ = held_out(data, 5)
    reader = WindowReader(net, 2)
    found = []
    for number, image in enumerate(images):
        if number == 3:
            assert reader.take(Picture("broken", EncodedImage("broken", b"no image"))) is not None
            assert reader.take(Picture("gone", None, "it is gone")) == "it is gone"
        reader.take(picture(image))
        if (window := reader.full()) is not None:
            found.append((window.first, window.last, window.n, window.unreadable))
    assert found == [(1, 2, 2, 0), (3, 6, 2, 2)]
    assert (reader.came, reader.waiting) == (7, 1)


def test_the_estimate_and_the_accuracy_are_of_the_windows_pictures(
    net: TrialNet, data: Prepared, reference: Reference
) -> None:
    images, targets = held_out(data, 50)
    labels = targets.tolist()
    labels[:3] = [NO_LABEL, UNKNOWN, NO_LABEL]
    window = window_of(net, images, labels)
    row = rows(window, reference)["bbsd"]
    answers = window.said.probabilities.argmax(axis=1)
    right = (answers == targets) & (np.arange(50) != 1)
    assert row.labelled == 48 and row.accuracy == pytest.approx(right[[1, *range(3, 50)]].mean())
    fallen = window.said.probabilities.max(axis=1).mean() - reference.estimate.confidence
    assert row.estimated_accuracy == pytest.approx(reference.estimate.accuracy + fallen)
    assert row.changed_class in reference.classes
    shares = np.bincount(answers, minlength=10) / 50 - reference.shares
    assert (row.changed_share or 0) - (row.reference_share or 0) == pytest.approx(shares[np.abs(shares).argmax()])
    assert rows(window, reference)["labels"].reason == "2 of the 50 pictures have no label"


def test_a_class_that_the_net_has_not_is_a_shift_of_labels(net: TrialNet, data: Prepared, reference: Reference) -> None:
    images, targets = held_out(data, 50)
    known = rows(window_of(net, images, targets.tolist()), reference)["labels"]
    strange = rows(window_of(net, images, [UNKNOWN] * 20 + targets[20:].tolist()), reference)["labels"]
    assert not known.alarm and strange.alarm and (strange.p or 1) < 0.01


def test_an_alarm_about_the_threshold_is_one_about_p(net: TrialNet, data: Prepared, reference: Reference) -> None:
    images, targets = held_out(data, 500)
    for start in range(0, 500, 50):
        part = slice(start, start + 50)
        for row in rows(window_of(net, images[part], targets[part].tolist()), reference).values():
            assert row.p is not None and row.alarm == (row.p <= reference.alpha)
            assert (row.alpha == 0.025 and row.harmless is None) or row.alarm


def test_outputs_that_are_not_finite_are_an_alarm_with_the_reason(
    net: TrialNet, data: Prepared, reference: Reference
) -> None:
    images, targets = held_out(data, 50)
    window = window_of(net, images, targets.tolist())
    window.said.probabilities[3] = np.nan
    window.said.features[4] = np.inf
    for row in rows(window, reference).values():
        assert row.alarm and row.harmless is False and row.statistic is None and row.p is None
        assert row.reason == "of 2 of the 50 pictures the net says what is not finite"
        assert row.estimated_accuracy is None and row.autocorrelation is None and row.changed_class is None


def test_a_reference_is_the_validation_split_as_the_net_has_it(
    net: TrialNet, data: Prepared, trained: TrainedNet, reference: Reference
) -> None:
    assert reference.n == len(data.split.val)
    assert reference.estimate.accuracy == pytest.approx(getattr(trained.result.val, "accuracy", None))
    assert [watch.size for watch in reference.watches] == [50, 50] and reference.shares.sum() == pytest.approx(1)


def test_what_cannot_be_calibrated_is_refused(net: TrialNet, data: Prepared) -> None:
    half = len(data.split.val) // 2
    Reference.of(net, data, ["confidence"], half, 0.05, seed=1)
    with pytest.raises(CannotDeploy, match=f"calibrate windows of {half} pictures at most"):
        Reference.of(net, data, ["confidence"], half + 1, 0.05, seed=1)
    few = replace(data, split=replace(data.split, val=data.split.val[:29]))
    with pytest.raises(CannotDeploy, match="has 29 examples, and 30 are the least"):
        Reference.of(net, few, ["confidence"], 5, 0.05, seed=1)


def test_what_the_net_says_has_the_features_beside(net: TrialNet, data: Prepared) -> None:
    images, _ = held_out(data, 4)
    said = said_of(net, images)
    assert said.probabilities.shape == (4, 10) and said.features.shape == (4, 16)
    assert said.probabilities.sum(axis=1) == pytest.approx(1)
