"""The denoising autoencoder: it takes noise away, repeats, and changes nothing else in the process."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from trainables.data import autoencoder
from trainables.data.autoencoder import autoencoded
from trainables.data.pixels import in_parts, noisy

CPU = torch.device("cpu")


def digits(side: int) -> np.ndarray:
    torch.set_num_threads(1)
    small = np.round(load_digits().images[:, None] * 255 / 16).astype(np.uint8)
    enlarged = in_parts(
        small, lambda part: torch.nn.functional.interpolate(part, (side, side), mode="bilinear"), (1, side, side)
    )
    return np.asarray(enlarged)


@pytest.mark.slow
def test_images_that_it_has_not_seen_come_out_cleaner() -> None:
    clean = digits(16)
    seen = noisy(clean, 0.25)
    train, other = np.arange(1200), np.arange(1200, 1797)
    given = autoencoded(seen, train, 7, CPU)
    assert given.shape == clean.shape and given.dtype == np.uint8

    def error(images: np.ndarray) -> float:
        return float(np.mean((images[other].astype(float) - clean[other]) ** 2))

    assert error(given) < 0.6 * error(seen)


def test_it_repeats_whatever_ran_before_and_leaves_the_streams_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "STEPS", 10)
    images, train = digits(9)[:300], np.arange(200)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = autoencoded(images, train, 1, CPU)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    torch.set_float32_matmul_precision("medium")
    try:
        np.testing.assert_array_equal(autoencoded(images, train, 1, CPU), first)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (autoencoded(images, train, 2, CPU) != first).any()


def test_clips_and_colours_of_any_size_are_cleaned_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "STEPS", 10)
    clips = np.random.default_rng(0).random((12, 3, 3, 33, 7)).astype(np.float32)
    given = autoencoded(clips, np.arange(8), 0, CPU)
    assert given.shape == clips.shape and given.dtype == np.float32
    assert given.min() >= 0 and given.max() <= 1
