"""Single images of every mode, format and orientation."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from trainables.data.files import printable
from trainables.data.images import EncodedImage, decode, image_endings, read_header
from trainables.errors import BrokenImage

RANDOM = np.random.default_rng(0)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> EncodedImage:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return EncodedImage("drawn", stream.getvalue())


def solid(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (6, 4), colour)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(RANDOM.integers(0, 256, (4, 6), np.uint8))
    file = encoded(image, kind, exif=exif)
    with Image.open(file.stream()) as written:
        expected = np.asarray(ImageOps.exif_transpose(written))
    header = read_header(file)
    assert (header.height, header.width) == expected.shape == ((6, 4) if orientation > 4 else (4, 6))
    np.testing.assert_array_equal(decode(file, (1, *expected.shape))[0], expected)


@pytest.mark.parametrize(
    ("image", "kind", "grey", "colour"),
    [
        (solid("L", 100), "PNG", True, (100, 100, 100)),
        (solid("1", 1), "PNG", True, (255, 255, 255)),
        (solid("RGB", (9, 90, 200)), "PNG", False, (9, 90, 200)),
        (solid("RGB", (9, 90, 200)).quantize(4), "GIF", False, (9, 90, 200)),
        (solid("L", 100).quantize(4), "PNG", True, (100, 100, 100)),
        (solid("RGBA", (9, 90, 200, 255)), "PNG", False, (9, 90, 200)),
        (solid("RGBA", (9, 90, 200, 0)), "WEBP", False, (255, 255, 255)),
        (solid("RGBA", (0, 0, 0, 51)), "PNG", False, (204, 204, 204)),
        (solid("LA", (0, 0)), "PNG", True, (255, 255, 255)),
        (solid("CMYK", (0, 255, 255, 0)), "TIFF", False, (255, 0, 0)),
        (solid("I;16", 0x8080), "PNG", True, (128, 128, 128)),
        (solid("I;16", 0xFFFF), "TIFF", True, (255, 255, 255)),
        (solid("I", 257), "TIFF", True, (1, 1, 1)),
        (solid("F", 0.2), "TIFF", True, (51, 51, 51)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_every_mode_comes_to_bytes(image: Image.Image, kind: str, grey: bool, colour: tuple[int, ...]) -> None:
    file = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert read_header(file).grey is grey
    pixels = decode(file, (3, 4, 6))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array(colour).reshape(3, 1, 1), (3, 4, 6)))
    assert decode(file, (1, 4, 6)).shape == (1, 4, 6)


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    file = encoded(solid("RGB", (9, 90, 200)).quantize(4), "PNG", transparency=0)
    assert (decode(file, (3, 4, 6)) == 255).all()


def test_a_image_is_resized_as_a_whole() -> None:
    halves = np.zeros((40, 80), np.uint8)
    halves[:, 40:] = 200
    pixels = decode(encoded(Image.fromarray(halves)), (1, 2, 4))[0]
    np.testing.assert_array_equal(pixels[:, [0, 3]], [[0, 200]] * 2)


def test_a_large_jpeg_comes_out_as_if_it_had_been_decoded_in_full() -> None:
    ramp = np.tile(np.linspace(0, 255, 1600).astype(np.uint8), (1200, 1))
    pixels = decode(encoded(Image.fromarray(ramp), "JPEG", quality=95), (1, 32, 32))[0].astype(int)
    full = Image.fromarray(ramp).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.abs(pixels - np.asarray(full)).max() <= 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image at all",
        encoded(Image.fromarray(RANDOM.integers(0, 256, (40, 60, 3), np.uint8))).content[:-400],
        encoded(Image.fromarray(RANDOM.integers(0, 256, (40, 60, 3), np.uint8)), "JPEG").content[:900],
        encoded(solid("F", float("nan")), "TIFF").content,
        encoded(solid("F", 255.0), "TIFF").content,
        encoded(solid("I", -1), "TIFF").content,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n",
    ],
    ids=["empty", "text", "cut PNG", "cut JPEG", "NaN", "fractions above 1", "negative", "PostScript"],
)
def test_a_broken_image_is_named(content: bytes) -> None:
    with pytest.raises(BrokenImage, match=r"cannot read the image birds/7\.png: .+; repair or remove it"):
        decode(EncodedImage("birds/7.png", content), (3, 8, 8))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_any_damage_to_a_image_is_a_broken_image_or_pixels() -> None:
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        whole = encoded(Image.fromarray(RANDOM.integers(0, 256, (8, 8, 3), np.uint8)), kind).content
        assert isinstance(whole, bytes)
        for _ in range(60):
            damaged = bytearray(whole)
            for place in RANDOM.integers(0, len(whole), 4):
                damaged[place] = RANDOM.integers(0, 256)
            try:
                pixels = decode(EncodedImage(kind, bytes(damaged)), (3, 8, 8))
            except BrokenImage as broken:
                assert broken.path == kind
            else:
                assert pixels.shape == (3, 8, 8)


def test_a_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenImage, match=r"gone\.png"):
        read_header(EncodedImage(str(tmp_path / "gone.png"), str(tmp_path / "gone.png")))


def test_endings_are_those_of_images() -> None:
    assert {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".webp", ".gif", ".pgm"} <= image_endings()
    assert image_endings().isdisjoint({".pdf", ".eps", ".h5", ".mpg", ".txt", ".npy"})


def test_too_little_memory_is_no_fault_of_the_image() -> None:
    file = encoded(Image.fromarray(RANDOM.integers(0, 256, (8, 8), np.uint8)))
    with pytest.raises(MemoryError):
        decode(file, (3, 4, 1 << 30))  # more than Pillow can ask for, so it is refused immediately


def test_names_are_printed_on_one_line() -> None:
    assert printable(os.fsdecode("œuvre\n".encode() + b"\xe9.png")) == r"œuvre\n\xe9.png"
