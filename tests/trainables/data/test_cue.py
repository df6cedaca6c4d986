"""The planted cue: where it agrees with the class, and that every class has a patch of its own."""

import numpy as np
import pytest

from trainables.data.cue import cue_masks, drawn_cues, planted
from trainables.data.splits import stream
from trainables.data_options import max_cues


@pytest.mark.parametrize("agreement", [0.0, 0.9, 1.0])
def test_it_agrees_as_often_as_asked_for_and_is_independent_where_it_has_to_be(agreement: float) -> None:
    labels = np.arange(40_000) % 10
    independent = np.arange(40_000) >= 20_000
    cues = drawn_cues(labels, 10, agreement, independent, stream("spurious", 0))
    agrees = cues == labels
    assert agrees[~independent].mean() == pytest.approx(agreement, abs=0.01)
    table = np.zeros((10, 10))
    np.add.at(table, (labels[independent], cues[independent]), 1)
    assert (abs(table - 200) < 60).all()  # four deviations of the binomial
    if agreement < 1:
        wrong = (cues - labels)[~independent & ~agrees] % 10
        shares = np.bincount(wrong, minlength=10)[1:] / len(wrong)
        assert shares == pytest.approx(np.full(9, 1 / 9), abs=0.05)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (2, 1, 12, 20), (1, 2, 2)])
@pytest.mark.parametrize("background", [0, 128, 255])
def test_every_class_has_a_patch_that_is_seen_on_any_background(shape: tuple[int, ...], background: int) -> None:
    room = max_cues(*shape[-2:])
    images = np.full((room, *shape), background, np.uint8)
    shown = planted(images, np.arange(room))
    assert len({image.tobytes() for image in shown}) == room
    assert all((image != background).any() for image in shown)
    assert (images == background).all()  # the given ones stay as they are


def test_it_lies_at_the_border_and_leaves_the_rest_alone() -> None:
    images = np.full((max_cues(32, 32), 3, 32, 32), 7, np.uint8)
    shown = planted(images, np.arange(len(images)))
    assert (shown[:, :, 4:-4, 4:-4] == 7).all()
    assert ((shown != 7).sum(axis=(1, 2, 3)) == 3 * 4 * 4).all()


def test_fractions_stay_between_0_and_1() -> None:
    shown = planted(np.full((2, 1, 8, 8), 0.5, np.float32), np.array([0, 1]))
    assert shown.dtype == np.float32 and (shown.min(), shown.max()) == (0, 1)


def test_masks_are_where_the_patches_were_put() -> None:
    cues = np.arange(12)
    grey = np.full((12, 3, 16, 24), 128, np.uint8)
    changed = (planted(grey, cues) != grey).any(axis=1)
    assert np.array_equal(cue_masks(cues, 16, 24), changed)
    assert changed.sum(axis=(1, 2)).tolist() == [4] * 12
