"""Images as they come from worse cameras, weather and storage: twelve corruptions, each in five severities.

The formulas and their constants are those of ImageNet-C (Hendrycks and Dietterich 2019, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", section 4 and the code published with it), whose images have 224 pixels
a side, and for `rotate` and `translate` of MNIST-C (Mu and Gilmer 2019, "MNIST-C: A Robustness Benchmark for Computer
Vision", and its code), whose have 28; each function says what it makes of other sizes. Results are rounded where those two
cut fractions off.

A greater severity changes an image more, on average over images, but where that is not in a corruption's nature: nothing
lightens what is white; `contrast` and blurs leave an image of one colour as it is, `shot_noise` and `fog` a black one;
`translate` and `rotate` may move a stroke onto another; `fog` of severity 4 is as thick as that of 3, with finer wisps; and
`pixelate` disturbs less where its blocks meet the grid of the pixels (14 blocks of 28 pixels less than 16), and nothing more
where a small image has as many blocks in two severities.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from math import ceil, cos, radians, sin, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainables.data.splits import stream

Pixels = NDArray[np.float64]
"""An image (channels, height, width), grey or RGB, in 0..1; what a corruption gives may leave that range."""
Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]
"""An image, a severity of 1 to 5, and what is random."""
SEVERITIES: Final = (1, 2, 3, 4, 5)
_PUBLISHED_SIDE: Final = 224
"""Pixels a side of ImageNet-C's images."""
_SMALLEST_SIDE: Final = 28
"""Where images are smaller still, blurs are as wide as at this side: MNIST's."""


def corrupted(
    images: NDArray[np.uint8], name: str, severity: int, seeds: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.uint8]:
    """Images under a corruption of CORRUPTIONS: (images, channels, height, width) as those given, which stay as they are.

    severity: one of SEVERITIES. seeds: one for each image. What is random depends on the name, the severity and the image's
    seed alone, so that an image becomes the same in any company, order and process.
    """
    assert images.dtype == np.uint8
    assert images.ndim == 4
    assert severity in SEVERITIES
    corrupt = CORRUPTIONS[name]
    seen = np.empty_like(images)
    for index, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        generator = stream(f"corruption:{name}:{severity}", int(seed))
        seen[index] = _stored(corrupt(image / 255, severity, generator))
    return seen


def turned(images: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Images turned about their centre, all to the same side by the same angle, as `rotate` turns them: as those given."""
    assert images.dtype == np.uint8
    seen = np.empty_like(images)
    for index, image in enumerate(images):
        seen[index] = _stored(_turned(image / 255, radians(degrees)))
    return seen


def _stored(image: Pixels) -> NDArray[np.uint8]:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)


# Noise: alike at every size, since each number has its own.


def _gaussian_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: a normal number is added to each one."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return image + generator.normal(scale=deviation, size=image.shape)


def _shot_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: photons are counted, so many of them in white; black stays black."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return generator.poisson(image * photons) / photons


def _impulse_noise(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: so large a share of all numbers, of each channel for itself, becomes 0 or 1 alike."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    hit = generator.random(image.shape) < share
    return np.where(hit, generator.random(image.shape) < 0.5, image)


# Blur: its width, in pixels, grows with the square root of the image's side. ImageNet-C's widths scaled by the side itself
# would leave 28 pixels as they are (the first has a deviation of 0.1), and unscaled, as MNIST-C takes them, wipe out
# everything. With the root the deviations for 32 pixels are 0.4 to 2.3 where CIFAR-10-C, of the same authors, has 0.4 to 1.


def _blur_scale(image: Pixels) -> float:
    """Pixels here for a pixel there."""
    return sqrt(max(min(image.shape[1:]), _SMALLEST_SIDE) / _PUBLISHED_SIDE)


def _gaussian_blur(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: a normal kernel cut off at four deviations, beyond the border the pixels of the border."""
    from scipy.ndimage import gaussian_filter  # slow to import

    deviation = (1, 2, 3, 4, 6)[severity - 1] * _blur_scale(image)
    blurred: Pixels = gaussian_filter(image, (0, deviation, deviation), mode="nearest", truncate=4)
    return blurred


def _motion_blur(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C, whose ImageMagick draws a half of a normal kernel along a line that leaves each pixel in a direction of
    -45 to 45 degrees, and reads the pixels nearest to it. Its radius and its deviation are scaled alike.
    """
    radius, deviation = np.array([(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)][severity - 1]) * _blur_scale(image)
    steps = np.arange(2 * ceil(radius) + 1)[:, np.newaxis]
    weights = np.exp(-(steps[:, 0] ** 2) / (2 * deviation**2))
    angle = radians(generator.uniform(-45, 45))
    height, width = image.shape[1:]
    rows = (np.arange(height) + (steps * sin(angle)).round().astype(int)).clip(0, height - 1)
    columns = (np.arange(width) + (steps * cos(angle)).round().astype(int)).clip(0, width - 1)
    along = image[:, rows[:, :, np.newaxis], columns[:, np.newaxis]]
    blurred: Pixels = np.einsum("cshw,s->chw", along, weights / weights.sum())
    return blurred


# Light and weather.


def _brightness(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: the value of hue, saturation and value grows, to 1 at most. Black has no hue: it becomes grey."""
    value: Pixels = image.max(axis=0, keepdims=True)
    brighter = np.minimum(value + (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1], 1)
    shares: Pixels = np.where(value > 0, image / np.where(value > 0, value, 1), 1)
    return shares * brighter


def _contrast(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: so large a share of each number's distance to the mean of its channel is left."""
    left = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    mean: Pixels = image.mean(axis=(1, 2), keepdims=True)
    return (image - mean) * left + mean


def _fog(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: a landscape of random heights is added, then all is scaled so that what was lightest stays so.

    The landscape is as large as the image, the next power of two, as theirs is 256 for 224 pixels.
    """
    thickness, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity - 1]
    height, width = image.shape[1:]
    side = 1 << max(1, (max(height, width) - 1).bit_length())
    lightest = float(image.max())
    return (image + thickness * _landscape(side, decay, generator)[:height, :width]) * lightest / (lightest + thickness)


def _landscape(side: int, decay: float, generator: np.random.Generator) -> Pixels:
    """Heights in 0..1 of diamonds and squares (Fournier et al. 1982), (side, side), a power of two; its edges meet.

    Each point is the mean of four around it and of a random number, whose range falls by the decay's square from one step
    to the next: as published, where the same factor scales the range and what is drawn of it.
    """
    chance = generator.uniform(-1, 1, (side, side))
    heights = np.zeros((side, side))
    step, reach = side, 1.0
    while step > 1:
        half = step // 2
        corners, centres = np.s_[::step, ::step], np.s_[half::step, half::step]
        beside = heights[corners] + _neighbour(heights[corners], 1, 0)
        heights[centres] = (beside + _neighbour(beside, 1, 1)) / 4 + reach * chance[centres]
        for axis, edges in ((0, np.s_[::step, half::step]), (1, np.s_[half::step, ::step])):
            along = heights[corners] + _neighbour(heights[corners], 1, 1 - axis)
            across = heights[centres] + _neighbour(heights[centres], -1, axis)
            heights[edges] = (along + across) / 4 + reach * chance[edges]
        step, reach = half, reach / decay**2
    heights -= heights.min()
    return heights / float(heights.max())


def _neighbour(heights: Pixels, by: int, axis: int) -> Pixels:
    """What stands `by` points further, round the edge."""
    return heights.take(np.arange(len(heights)) + by, axis=axis, mode="wrap")


# What storing and scaling lose.


def _jpeg(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: stored as a JPEG file of this quality, colours at half the resolution, and read again.

    Alike at every size: it works on blocks of 8 x 8 pixels. Which bits come out depends on the release of libjpeg.
    """
    quality = (25, 18, 15, 10, 7)[severity - 1]
    parts = [image.transpose(1, 2, 0)] if len(image) == 3 else list(image)
    read: list[Pixels] = []
    for part in parts:
        file = BytesIO()
        Image.fromarray(_stored(part)).save(file, "JPEG", quality=quality)
        read.append(np.asarray(Image.open(file, formats=("JPEG",))) / 255)
    return read[0].transpose(2, 0, 1) if len(image) == 3 else np.stack(read)


def _pixelate(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """ImageNet-C: made smaller by this factor, and as large as before again, both with means of boxes."""
    factor = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = image.shape[1:]
    small = max(1, int(width * factor)), max(1, int(height * factor))
    box = Image.Resampling.BOX
    blocks = [Image.fromarray(part).resize(small, box).resize((width, height), box) for part in _stored(image)]
    return np.stack([np.asarray(part) for part in blocks]) / 255


# Where the camera stands. Beyond the image all is black.


def _rotate(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """MNIST-C: turned about its centre, to either side alike, by so many radians; read between pixels (bilinear)."""
    return _turned(image, (0.2, 0.4, 0.6, 0.8, 1.0)[severity - 1] * generator.choice((-1, 1)))


def _turned(image: Pixels, angle: float) -> Pixels:
    from scipy.ndimage import affine_transform  # slow to import

    turn = np.array([[1, 0, 0], [0, cos(angle), sin(angle)], [0, -sin(angle), cos(angle)]])
    centre = (np.array(image.shape) - 1) / 2
    turned: Pixels = affine_transform(image, turn, centre - turn @ centre, order=1, mode="grid-constant")
    return turned


def _translate(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """MNIST-C: moved by so many of 28 parts of its height and width, each to either side alike; read between pixels."""
    from scipy.ndimage import shift  # slow to import

    way = severity / 28 * generator.choice((-1, 1), 2) * image.shape[1:]
    moved: Pixels = shift(image, (0, *way), order=1, mode="grid-constant")
    return moved


CORRUPTIONS: Final[Mapping[str, Corruption]] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "gaussian_blur": _gaussian_blur,
    "motion_blur": _motion_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "fog": _fog,
    "jpeg": _jpeg,
    "pixelate": _pixelate,
    "rotate": _rotate,
    "translate": _translate,
}
"""By the name that grids and tables know it by."""
