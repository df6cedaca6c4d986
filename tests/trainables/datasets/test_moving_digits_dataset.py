"""Clips of moving digits: where they move, what is told without the order, and which digits are shown."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits

from trainables.data.cache import decoded
from trainables.dataset import DataLocation, Examples
from trainables.datasets.digits import Digits
from trainables.datasets.moving_digits import MovingDigits
from trainables.errors import DataMissing, UnfitOption

SMALL = MovingDigits(examples=400)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def clips(here: DataLocation) -> Examples:
    return SMALL.load(here)


def frames_of(examples: Examples, index: int) -> list[bytes]:
    return [frame.tobytes() for frame in examples.inputs[index]]


def test_it_is_what_it_says_of_itself(here: DataLocation, clips: Examples) -> None:
    info = SMALL.info(here)
    assert (info.input, info.shape, info.official_test, len(info.classes)) == ("clip", (13, 1, 16, 16), True, 8)
    assert clips.inputs.shape == (400, 13, 1, 16, 16) and clips.inputs.dtype == np.uint8
    assert np.bincount(clips.targets).tolist() == [50] * 8
    assert clips.official_test.sum() == 80
    assert np.bincount(clips.targets[clips.official_test]).tolist() == [10] * 8
    assert len(decoded(SMALL, here, SMALL.fingerprint(here)).inputs) == 400


def test_every_frame_is_the_same_digit_somewhere_on_the_torus(clips: Examples) -> None:
    originals = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    known = {np.sort(image.ravel()).tobytes() for image in originals}
    for clip in clips.inputs[::40, :, 0]:
        bags = {np.sort(frame.ravel())[-64:].tobytes() for frame in clip}
        assert len(bags) == 1 and bags <= known
        assert all((frame == 0).sum() >= 16 * 16 - 64 for frame in clip)


def moved(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Pixels to the east and the north by which the torus of one frame is turned into the other."""
    size = len(one)
    found = [(e, n) for e in range(size) for n in range(size) if (np.roll(one, (-n, e), (0, 1)) == other).all()]
    assert len(found) == 1
    return tuple((step + size // 2) % size - size // 2 for step in found[0])  # type: ignore[return-value]


def test_the_class_is_where_the_digit_moves(here: DataLocation, clips: Examples) -> None:
    assert SMALL.info(here).classes[:3] == ("east", "north-east", "north")
    for index in range(0, 400, 25):
        frames = clips.inputs[index, :4, 0]
        east, north = np.mean([moved(one, other) for one, other in itertools.pairwise(frames)], axis=0)
        angle = 45 * clips.targets[index]
        off = (np.degrees(np.arctan2(north, east)) - angle + 180) % 360 - 180
        assert abs(off) < 22.5, (index, east, north)


def test_a_clip_passes_as_many_places_as_it_has_frames(clips: Examples) -> None:
    """That they are the same for all directions is tested in data/test_torus.py."""
    assert {len(set(frames_of(clips, index))) for index in range(400)} == {13}


def test_a_single_frame_is_as_likely_in_every_direction(here: DataLocation) -> None:
    """The place of the digit in the first and in the last frame does not depend on the class."""
    many = MovingDigits(examples=8000).load(here)
    lit = many.inputs[:, [0, -1], 0] > 0
    mean = lit.mean(axis=0)
    for direction in range(8):
        of_class = lit[many.targets == direction].mean(axis=0)
        assert np.abs(of_class - mean).max() < 6 * np.sqrt(0.25 / 1000)


def test_no_digit_is_in_two_splits(here: DataLocation, clips: Examples) -> None:
    assert clips.groups is not None
    test, rest = (set(clips.groups[part].tolist()) for part in (clips.official_test, ~clips.official_test))
    assert test and rest and not test & rest
    images = Digits().load(here).inputs
    for index in range(0, 400, 50):
        digit = np.sort(images[clips.groups[index]].ravel())
        np.testing.assert_array_equal(np.sort(clips.inputs[index, 0].ravel())[-64:], digit)


def test_shuffling_permutes_the_frames_of_each_clip_and_changes_nothing_else(
    here: DataLocation, clips: Examples
) -> None:
    shuffled = MovingDigits(examples=400, shuffled=True).load(here)
    np.testing.assert_array_equal(shuffled.targets, clips.targets)
    orders = set()
    for index in range(400):
        before, after = frames_of(clips, index), frames_of(shuffled, index)
        assert sorted(before) == sorted(after)
        orders.add(tuple(before.index(frame) for frame in after))
    assert len(orders) > 390


def test_noise_is_gaussian_and_drawn_for_each_frame(here: DataLocation, clips: Examples) -> None:
    noisy = MovingDigits(examples=400, noise=0.1).load(here)
    middle = (clips.inputs > 90) & (clips.inputs < 165)
    added = (noisy.inputs.astype(float) - clips.inputs)[middle] / 255
    assert abs(added.mean()) < 0.005 and abs(added.std() - 0.1) < 0.005
    assert not np.array_equal(noisy.inputs[0, 0] > 128, noisy.inputs[0, 1] > 128)


def test_it_is_made_by_its_parameters_alone(here: DataLocation, clips: Examples) -> None:
    np.testing.assert_array_equal(SMALL.load(here).inputs, clips.inputs)
    levels = [SMALL, MovingDigits(), *(SMALL.model_copy(update=change) for change in CHANGES)]
    assert len({level.fingerprint(here) for level in levels}) == len(levels)
    assert len({level.digest() for level in levels}) == len(levels)


CHANGES = ({"length": 5}, {"size": 20}, {"noise": 0.5}, {"shuffled": True})


@pytest.mark.parametrize(("length", "size"), [(2, 8), (8, 21), (13, 33)])
def test_any_length_and_size(here: DataLocation, length: int, size: int) -> None:
    dataset = MovingDigits(examples=80, length=length, size=size)
    assert dataset.load(here).inputs.shape == (80, *dataset.info(here).shape) == (80, length, 1, size, size)


@pytest.mark.parametrize(
    "parameters", [{"source": "svhn"}, {"length": 1}, {"size": 7}, {"noise": -1}, {"examples": 79}]
)
def test_impossible_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MovingDigits.from_parameters(parameters)


@pytest.mark.parametrize("parameters", [{"size": 1_000_000}, {"examples": 10**12}])
def test_clips_that_no_memory_holds_are_refused(here: DataLocation, parameters: dict[str, object]) -> None:
    with pytest.raises(UnfitOption, match="GiB of memory are free"):
        MovingDigits.from_parameters(parameters).load(here)


def test_mnist_that_is_not_there_is_said_to_be_missing(here: DataLocation) -> None:
    with pytest.raises(DataMissing, match="mnist was not found"):
        MovingDigits(source="mnist").info(here)


@pytest.fixture
def mnist(tmp_path: Path) -> Iterator[DataLocation]:
    if not os.environ.get("ORCH_DATA"):
        pytest.skip("needs MNIST in ORCH_DATA")
    yield DataLocation(data=Path(os.environ["ORCH_DATA"]), beside=None, cache=tmp_path)


def test_mnists_own_test_digits_are_tested_on(mnist: DataLocation) -> None:
    clips = MovingDigits(source="mnist", examples=400, size=28).load(mnist)
    assert clips.groups is not None
    assert (clips.groups[clips.official_test] >= 60_000).all() and (clips.groups[~clips.official_test] < 60_000).all()
    assert clips.inputs.shape == (400, 13, 1, 28, 28) and clips.inputs.max() > 200
