"""Images that belong to no data set, brought to the form in which a data set keeps its own."""

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.image_dataset import ImageDataset
from trainables.data.images import EncodedImage, Shape, decode, read_header, whole
from trainables.data.pixels import shown
from trainables.dataset import Dataset

_MOST_BEFORE: Final = 1 << 24
"""Pixels of an image that is resized from its own size; a larger one is brought to so many first."""


def unfit(dataset: Dataset) -> str | None:
    """Why images cannot be treated as this data set treats its own; None where they can."""
    if dataset.denoise == "autoencoder":
        return "its images went through an autoencoder (denoise: autoencoder), which is not kept"
    return None


def as_stored(image: EncodedImage, dataset: Dataset, shape: Shape) -> NDArray[np.uint8]:
    """An image as it would be among the decoded examples of the data set, (*shape): its size, its part that is measured on,
    its channels, filtered. Noise and patches that the data set plants are not added.

    shape: of the examples, under the data set's options. Raises BrokenImage.
    """
    plain = _plain_shape(image, dataset, shape)
    choose = dataset.part(plain) if isinstance(dataset, ImageDataset) else whole
    pixels = decode(image, plain, choose)
    without_noise = dataset.model_copy(update={"pixel_noise": 0.0})
    stored: NDArray[np.uint8] = shown(pixels[None], without_noise).inputs[0].astype(np.uint8, copy=False)
    return stored


def _plain_shape(image: EncodedImage, dataset: Dataset, shape: Shape) -> Shape:
    """What the data set itself decodes to, before `resize` and `grayscale`. Where only its files would tell, the image's own
    size and colours stand for theirs: those of an image from there are the same.
    """
    if dataset.resize is None and not dataset.grayscale:
        return shape
    header = read_header(image)
    channels, height, width = shape
    own = dataset if isinstance(dataset, ImageDataset) else None
    if dataset.grayscale:
        channels = (own and own.channels) or (1 if header.grey else 3)
    if dataset.resize is not None:
        height, width = (own and own.size) or _bounded(header.height, header.width)
    return channels, height, width


def _bounded(height: int, width: int) -> tuple[int, int]:
    share = min(1.0, sqrt(_MOST_BEFORE / (height * width)))
    return max(1, round(height * share)), max(1, round(width * share))
