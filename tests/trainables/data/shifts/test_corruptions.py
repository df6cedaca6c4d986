"""Corruptions: each against loops over its formula, the same bits in any company, and worse from severity to severity."""

import colorsys
import subprocess
import sys
from hashlib import sha256
from itertools import product
from math import cos, exp, pi, sin, sqrt
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from trainables.data.shifts.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from trainables.data.splits import stream

SIDE = 48


def digits(count: int = 60, side: int = SIDE) -> NDArray[np.uint8]:
    """Strokes on black, enlarged to (count, 1, side, side)."""
    stored = (load_digits().images[:count] / 16 * 255).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in stored])[:, np.newaxis]


def photographs(count: int = 60, side: int = SIDE) -> NDArray[np.uint8]:
    """Coloured clouds of several scales, (count, 3, side, side)."""
    generator = np.random.default_rng(0)
    seen = np.full((count, side, side, 3), 120.0)
    for index, coarse in product(range(count), (2, 4, 8, 16)):
        cloud = generator.uniform(-150, 150, (coarse, coarse, 3)).clip(-128, 127) + 128
        seen[index] += np.asarray(Image.fromarray(cloud.astype(np.uint8)).resize((side, side))) / sqrt(coarse / 2) * 0.6
    seen += 120 - seen.mean(axis=(1, 2, 3), keepdims=True)
    return seen.clip(0, 255).astype(np.uint8).transpose(0, 3, 1, 2)


def noise(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def drawn(name: str, severity: int, seed: int) -> np.random.Generator:
    return stream(f"corruption:{name}:{severity}", seed)


def off(name: str, severity: int, image: NDArray[np.uint8], expected: NDArray[np.float64], seed: int = 5) -> float:
    """Levels by which one image under a corruption is off what it should be, in 0..255 before it is rounded, at most."""
    found = corrupted(image[np.newaxis], name, severity, [seed])[0]
    return float(abs(found - expected.clip(0, 255)).max())


HALF = 0.5 + 1e-6
"""Of a level: nothing but rounding."""


# What holds of all of them.


def test_there_are_twelve() -> None:
    assert len(CORRUPTIONS) == 12


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize(
    "shape", [(1, 4, 4), (3, 4, 4), (1, 1, 1), (3, 1, 1), (1, 1, 7), (3, 6, 2), (1, 28, 28), (3, 20, 33)]
)
def test_shape_and_type_stay_and_so_does_what_was_given(name: str, shape: tuple[int, ...]) -> None:
    images = noise((3, *shape))
    before = images.copy()
    for severity in SEVERITIES:
        found = corrupted(images, name, severity, range(3))
        assert found.dtype == np.uint8
        assert found.shape == images.shape
    assert (images == before).all()
    assert corrupted(images[:0], name, 3, []).shape == (0, *shape)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_becomes_the_same_in_any_company(name: str, channels: int) -> None:
    images = noise((6, channels, 12, 12))
    seeds = np.array([7, 7, 2**40, 0, 3, 2])
    order = [3, 0, 5, 1, 4, 2]
    together = corrupted(images, name, 3, seeds)
    alone = [corrupted(images[[i]], name, 3, [int(seeds[i])])[0] for i in range(6)]
    assert (together == alone).all()
    assert (corrupted(images[order], name, 3, seeds[order]) == together[order]).all()


def test_another_process_gives_the_same_bits() -> None:
    script = (
        "import sys, hashlib, numpy as np; from trainables.data.shifts.corruptions import CORRUPTIONS, corrupted;"
        "images = np.random.default_rng(1).integers(0, 256, (3, 3, 12, 12), np.uint8);"
        "sys.stdout.write(' '.join(hashlib.sha256(corrupted(images, name, 2, range(3)).tobytes()).hexdigest()"
        " for name in reversed(CORRUPTIONS)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    here = {name: sha256(corrupted(noise((3, 3, 12, 12)), name, 2, range(3)).tobytes()) for name in CORRUPTIONS}
    assert ended.stdout.split() == [here[name].hexdigest() for name in reversed(CORRUPTIONS)]


RANDOM = {"gaussian_noise", "shot_noise", "impulse_noise", "motion_blur", "fog", "rotate", "translate"}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_random_differs_from_seed_to_seed_and_nothing_else_does(name: str) -> None:
    images = np.repeat(photographs(1), 8, axis=0)
    found = corrupted(images, name, 3, range(8))
    assert (len({one.tobytes() for one in found}) > 1) == (name in RANDOM)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("images", [digits(), photographs()], ids=["digits", "photographs"])
def test_a_greater_severity_changes_images_more(name: str, images: NDArray[np.uint8]) -> None:
    """Fog of severity 4 is as thick as that of 3, and only finer."""
    severities = [severity for severity in SEVERITIES if (name, severity) != ("fog", 4)]
    changes = [
        abs(corrupted(images, name, severity, range(len(images))).astype(int) - images).mean()
        for severity in severities
    ]
    assert (np.diff([0, *changes]) > 0).all(), changes


@pytest.mark.parametrize("level", [0, 130, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_one_colour(level: int, channels: int) -> None:
    images = np.full((2, channels, 16, 16), level, np.uint8)
    for severity in SEVERITIES:
        found = {name: corrupted(images, name, severity, range(2)) for name in CORRUPTIONS}
        for name in ("contrast", "gaussian_blur", "motion_blur", "pixelate"):
            assert (found[name] == level).all()
        assert abs(found["jpeg"].astype(int) - level).max() <= 6  # of a mean of 8 x 8, in steps of 1 / 8 of its quantum
        lighter = min(level + (0, 25.5, 51, 76.5, 102, 127.5)[severity], 255)
        assert abs(found["brightness"] - lighter).max() <= HALF
        for name in ("shot_noise", "fog", "rotate", "translate"):
            assert (found[name] == 0).all() == (level == 0)
        for name in ("rotate", "translate"):
            assert found[name].max() <= level
            assert found[name].min() < max(1, level)  # beyond the image all is black


# Each against its formula.


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_noise_adds_a_normal_number_to_each(severity: int) -> None:
    deviation = {1: 0.08, 2: 0.12, 3: 0.18, 4: 0.26, 5: 0.38}[severity]
    image = noise((3, 9, 7))
    normal = drawn("gaussian_noise", severity, 5).standard_normal(image.size)
    expected = np.array([level + deviation * 255 * one for level, one in zip(image.flat, normal, strict=True)])
    assert off("gaussian_noise", severity, image, expected.reshape(image.shape)) <= HALF


def test_noise_spreads_as_it_should() -> None:
    """Whatever the order of what is drawn: means and variances over 60,000 numbers, of which none is cut off."""
    grey = np.full((1, 1, 250, 240), 51, np.uint8)
    normal = corrupted(grey + np.uint8(76), "gaussian_noise", 1, [5]) / 255
    assert normal.mean() == pytest.approx(127 / 255, abs=4 * 0.08 / sqrt(60_000))
    assert normal.std() == pytest.approx(0.08, rel=4 / sqrt(120_000) + 0.001)
    shot = corrupted(grey, "shot_noise", 1, [5]) / 255
    assert shot.mean() == pytest.approx(0.2, abs=4 * sqrt(0.2 / 60 / 60_000))
    assert shot.var() == pytest.approx(0.2 / 60, rel=4 * sqrt(2 / 60_000) * 1.05 + 0.001)
    hit = corrupted(grey, "impulse_noise", 5, [5])
    assert (hit != 51).mean() == pytest.approx(0.27, abs=4 * sqrt(0.27 * 0.73 / 60_000))
    assert (hit == 255).sum() / (hit != 51).sum() == pytest.approx(0.5, abs=4 * 0.5 / sqrt(0.27 * 60_000))
    assert set(np.unique(hit)) == {0, 51, 255}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shot_noise_counts_whole_photons(severity: int) -> None:
    photons = {1: 60, 2: 25, 3: 12, 4: 5, 5: 3}[severity]
    found = corrupted(noise((1, 1, 40, 40)), "shot_noise", severity, [5]) / 255 * photons
    assert abs(found - found.round()).max() <= HALF * photons / 255
    black = np.zeros((1, 1, 40, 40), np.uint8)
    assert (corrupted(black, "shot_noise", severity, [5]) == 0).all()


def test_impulse_noise_hits_each_channel_for_itself() -> None:
    hit = corrupted(np.full((1, 3, 100, 100), 9, np.uint8), "impulse_noise", 5, [5])[0] != 9
    assert (hit[0] & hit[1]).mean() == pytest.approx(0.27**2, abs=4 * 0.27 / 100)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_blur_is_a_sum_over_all_around(severity: int) -> None:
    image = noise((1, 6, 9))
    deviation = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6}[severity] * sqrt(28 / 224)
    reach = int(4 * deviation + 0.5)
    around = list(product(range(-reach, reach + 1), repeat=2))
    weights = {at: exp(-(at[0] ** 2 + at[1] ** 2) / (2 * deviation**2)) for at in around}
    assert off("gaussian_blur", severity, image, summed(image, weights)) <= HALF


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_blur_is_a_sum_along_a_line(severity: int) -> None:
    image = noise((3, 56, 60))
    scale = sqrt(56 / 224)
    radius, deviation = {1: (10, 3), 2: (15, 5), 3: (15, 8), 4: (15, 12), 5: (20, 15)}[severity]
    angle = (drawn("motion_blur", severity, 5).random() * 90 - 45) * pi / 180
    weights: dict[tuple[int, int], float] = {}
    for step in range(2 * int(np.ceil(radius * scale)) + 1):
        at = round(step * sin(angle)), round(step * cos(angle))
        weights[at] = weights.get(at, 0) + exp(-(step**2) / (2 * (deviation * scale) ** 2))
    assert off("motion_blur", severity, image, summed(image, weights)) <= HALF


def summed(image: NDArray[np.uint8], weights: dict[tuple[int, int], float]) -> NDArray[np.float64]:
    """The weighted mean of what lies so far down and right of each pixel; beyond the border, of the border."""
    _, height, width = image.shape
    expected = np.zeros(image.shape)
    for row, column in product(range(height), range(width)):
        for (down, right), weight in weights.items():
            there = min(max(row + down, 0), height - 1), min(max(column + right, 0), width - 1)
            expected[:, row, column] += weight * image[:, there[0], there[1]]
    return expected / sum(weights.values())


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_raises_the_value_of_each_colour(severity: int) -> None:
    image = noise((3, 8, 8))
    image[:, 0, 0] = 0
    image[:, 0, 1] = 255
    expected = np.empty(image.shape)
    for row, column in product(range(8), range(8)):
        hue, saturation, value = colorsys.rgb_to_hsv(*(image[:, row, column] / 255))
        expected[:, row, column] = np.array(colorsys.hsv_to_rgb(hue, saturation, min(value + severity / 10, 1))) * 255
    assert off("brightness", severity, image, expected) <= HALF
    assert off("brightness", severity, image[:1], image[:1] + 25.5 * severity) <= HALF


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast_draws_each_channel_to_its_mean(severity: int) -> None:
    left = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1, 5: 0.05}[severity]
    image = noise((3, 5, 9))
    expected = np.stack([sum(part.flat, 0) / part.size * (1 - left) + part * left for part in image.astype(float)])
    assert off("contrast", severity, image, expected) <= HALF


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 1), (28, 17)])
def test_fog_adds_a_landscape(severity: int, size: tuple[int, int]) -> None:
    """Squares, then diamonds, point by point."""
    thickness, decay = {1: (1.5, 2), 2: (2, 2), 3: (2.5, 1.7), 4: (2.5, 1.5), 5: (3, 1.4)}[severity]
    side = next(power for power in (2, 4, 8, 16, 32) if power >= max(size))
    chance = drawn("fog", severity, 5).uniform(-1, 1, (side, side))
    heights = {(0, 0): 0.0}
    step, wibble = side, 100.0
    while step > 1:
        half = step // 2
        points = [(row, column) for row in range(0, side, half) for column in range(0, side, half)]
        for ways, odd in (
            (((-half, -half), (-half, half), (half, -half), (half, half)), (True, True)),
            (
                ((-half, 0), (half, 0), (0, -half), (0, half)),
                None,
            ),
        ):
            for row, column in points:
                is_odd = (row % step == half, column % step == half)
                if is_odd == odd or (odd is None and sum(is_odd) == 1):
                    mean = sum(heights[(row + down) % side, (column + right) % side] for down, right in ways) / 4
                    heights[row, column] = mean + wibble**2 * chance[row, column]
        step, wibble = half, wibble / decay
    field = np.array([[heights[row, column] for column in range(side)] for row in range(side)])
    field = ((field - field.min()) / (field.max() - field.min()))[: size[0], : size[1]]
    image = noise((3, *size))
    most = image.max() / 255
    assert off("fog", severity, image, (image / 255 + thickness * field) * most / (most + thickness) * 255) <= HALF


QUANTA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""Of luminance, at quality 50 (ITU-T T.81, table K.1)."""


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_rounds_the_cosines_of_each_block(severity: int) -> None:
    quality = {1: 25, 2: 18, 3: 15, 4: 10, 5: 7}[severity]
    quanta = ((QUANTA * (5000 // quality) + 50) // 100).clip(1, 255)
    cosines = np.array(
        [
            [sqrt((1 if row == 0 else 2) / 8) * cos((2 * column + 1) * row * pi / 16) for column in range(8)]
            for row in range(8)
        ]
    )
    compared = 0
    for image in digits(60, 8):
        kept = cosines @ (image[0] - 128.0) @ cosines.T / quanta
        if (abs(kept % 1 - 0.5) > 0.01).all():  # else libjpeg, which reckons in whole numbers, may round the other way
            expected = cosines.T @ (kept.round() * quanta) @ cosines + 128
            assert off("jpeg", severity, image, expected[np.newaxis]) <= HALF + 0.1
            compared += 1
    assert compared > 20


def test_a_coloured_jpeg_is_one_image_and_not_three() -> None:
    image = photographs(1)
    found = corrupted(image, "jpeg", 3, [5])
    alone = np.stack([corrupted(image[:, [channel]], "jpeg", 3, [5])[:, 0] for channel in range(3)], axis=1)
    assert abs(found.astype(int) - image).mean() < 20
    assert (found != alone).mean() > 0.5


@pytest.mark.parametrize(("severity", "block"), [(2, 2), (5, 4)])
def test_pixelate_takes_means_of_blocks(severity: int, block: int) -> None:
    image = noise((3, 16, 24))
    rows = np.floor(image.reshape(3, 16, 24 // block, block).mean(axis=3) + 0.5)  # Pillow keeps whole levels in between
    blocks = rows.reshape(3, 16 // block, block, 24 // block).mean(axis=2)
    assert off("pixelate", severity, image, blocks.repeat(block, axis=1).repeat(block, axis=2)) <= HALF


@pytest.mark.parametrize(("severity", "blocks"), [(1, 16), (2, 14), (3, 11), (4, 8), (5, 7)])
def test_pixelate_leaves_so_many_blocks(severity: int, blocks: int) -> None:
    found = corrupted(noise((1, 1, 28, 28)), "pixelate", severity, [5])[0, 0].astype(int)
    assert (np.diff(found, axis=0) != 0).any(axis=1).sum() == blocks - 1
    assert (np.diff(found, axis=1) != 0).any(axis=0).sum() == blocks - 1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_rotate_turns_about_the_centre(severity: int) -> None:
    image = noise((3, 11, 14))
    ways = set()
    for seed in range(8):
        fits = [
            way for way in (-1, 1) if off("rotate", severity, image, turned(image, way * severity / 5), seed) <= HALF
        ]
        assert len(fits) == 1
        ways.add(fits[0])
    assert ways == {-1, 1}


def turned(image: NDArray[np.uint8], angle: float) -> NDArray[np.float64]:
    _, height, width = image.shape
    middle = (height - 1) / 2, (width - 1) / 2
    expected = np.zeros(image.shape)
    for row, column in product(range(height), range(width)):
        down, right = row - middle[0], column - middle[1]
        expected[:, row, column] = between(
            image,
            middle[0] + cos(angle) * down + sin(angle) * right,
            middle[1] - sin(angle) * down + cos(angle) * right,
        )
    return expected


def between(image: NDArray[np.uint8], row: float, column: float) -> NDArray[np.float64]:
    """Of the four pixels around a place, by their nearness; those beyond the border are black."""
    read = np.zeros(len(image))
    for there in product(range(image.shape[1]), range(image.shape[2])):
        near = max(0, 1 - abs(there[0] - row)) * max(0, 1 - abs(there[1] - column))
        read += near * image[:, there[0], there[1]]
    return read


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("size", [(28, 56), (9, 28)])
def test_translate_moves_by_parts_of_the_size(severity: int, size: tuple[int, int]) -> None:
    image = noise((1, *size))
    ways = set()
    for seed in range(16):
        fits = [
            way
            for way in product((-1, 1), repeat=2)
            if off("translate", severity, image, moved(image, severity, way), seed) <= HALF
        ]
        assert len(fits) == 1
        ways.add(fits[0])
    assert len(ways) == 4


def moved(image: NDArray[np.uint8], severity: int, ways: tuple[int, ...]) -> NDArray[np.float64]:
    """Each axis for itself: what comes in is black, and between two pixels lies their mean by nearness."""
    seen = image.astype(float)
    for axis, way in ((1, ways[0]), (2, ways[1])):
        by = way * severity * image.shape[axis] / 28
        whole = int(np.floor(by))
        seen = (1 - (by - whole)) * shifted(seen, whole, axis) + (by - whole) * shifted(seen, whole + 1, axis)
    return seen


def shifted(image: NDArray[np.float64], by: int, axis: int) -> NDArray[np.float64]:
    rolled = np.roll(image, by, axis)
    empty = np.arange(image.shape[axis]) < by if by >= 0 else np.arange(image.shape[axis]) >= image.shape[axis] + by
    rolled[(slice(None), empty) if axis == 1 else (slice(None), slice(None), empty)] = 0
    return rolled
