"""Files that lie, never end, or grow: refused with a sentence that names them, before time or memory is spent on them."""

import gzip
import http.server
import os
import socket
import struct
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.data.files import read_regular
from trainables.data.image_folders import ImageFolderSource, listed_groups
from trainables.data.images import MAX_PIXELS, EncodedImage, decode, read_header
from trainables.data.videos.video import count_frames
from trainables.dataset import DataLocation
from trainables.datasets._idx import read_idx
from trainables.datasets._image_table import ImageTable
from trainables.datasets.cifar10 import Cifar10
from trainables.errors import BrokenImage, BrokenVideo, DataError, DataMissing, UnfitOption, WeightsError
from trainables.training.weights import read_header as read_weights_header


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        bound.bind(path.name)
        os.chdir(here)


NO_FILES = [fifo, device, loop, listener, Path.mkdir]


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda path: read_regular(path, 10), OSError),
        (read_idx, DataError),
        (lambda path: listed_groups(path, ["a"]), UnfitOption),
        (read_weights_header, WeightsError),
        (lambda path: ImageTable(path, "image", "label"), (DataError, OSError)),
    ],
)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(
    make: Callable[[Path], None], read: Callable[[Path], object], error: type[Exception], tmp_path: Path
) -> None:
    make(tmp_path / "x")
    with pytest.raises(error):
        read(tmp_path / "x")


@pytest.mark.parametrize("make", NO_FILES)
def test_a_image_that_is_no_regular_file_is_named(make: Callable[[Path], None], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name / "1.png")
    make(tmp_path / "a" / "x.png")
    with pytest.raises(BrokenImage, match=r"a/x\.png"):
        ImageFolderSource(tmp_path)


def test_a_link_that_leads_out_of_the_folder_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(folder / name / "1.png")
    Image.new("L", (4, 4)).save(tmp_path / "outside.png")
    (folder / "a" / "2.png").symlink_to(tmp_path / "outside.png")
    assert len(ImageFolderSource(folder).files) == 3


# images


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, more: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(screen: int, frame: int) -> bytes:
    sizes = struct.pack("<HH", screen, screen), struct.pack("<HH", frame, frame)
    colours = b"\x80\0\0\0\0\0\xff\xff\xff"
    return b"GIF89a" + sizes[0] + colours + b",\0\0\0\0" + sizes[1] + b"\0\x02\x02D\x01\0;"


def icon(content: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(content), 22) + content


HUGE = png(50_000, 50_000, zlib.compress(bytes(1000)))
GROWING_TEXT = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000)))
BOMBS = {
    "50,000 x 50,000": (HUGE, f"{MAX_PIXELS:,} pixels"),
    "a GIF of 60,000 x 60,000": (gif(60_000, 60_000), f"{MAX_PIXELS:,} pixels"),
    "a PPM of 60,000 x 60,000": (b"P6 60000 60000 255\n", f"{MAX_PIXELS:,} pixels"),
    "a little more than the most": (png(MAX_PIXELS // 10_000 + 1, 10_000, b""), f"{MAX_PIXELS:,} pixels"),
    "an icon of a huge image": (icon(HUGE), ""),
    "a text that grows": (png(4, 4, zlib.compress(bytes(20)), GROWING_TEXT), ""),
    "cut short": (png(400, 400, os.urandom(100)), ""),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_image_that_would_fill_the_memory_is_named(case: str) -> None:
    content, message = BOMBS[case]
    with pytest.raises(BrokenImage, match=r"bomb\.png") as refused:
        decode(EncodedImage("bomb.png", content), (1, 4, 4))
    assert message in str(refused.value)
    if message:
        with pytest.raises(BrokenImage, match="pixels"):
            read_header(EncodedImage("bomb.png", content))


def test_of_pixels_that_grow_only_the_first_are_unpacked() -> None:
    content = png(4, 4, zlib.compress(bytes(200_000_000)))
    assert decode(EncodedImage("grows.png", content), (1, 4, 4)).tolist() == np.zeros((1, 4, 4)).tolist()


def test_of_an_animation_the_first_image_counts() -> None:
    file = BytesIO()
    frames = [Image.new("L", (4, 4), shade % 256) for shade in range(2000)]
    frames[7].save(file, "GIF", save_all=True, append_images=frames)
    assert decode(EncodedImage("many.gif", file.getvalue()), (1, 4, 4)).max() == 7


# packed arrays and tables


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values


@pytest.mark.parametrize(
    ("shape", "size", "packed", "message"),
    [
        ((2**32 - 1, 65_535, 65_535), 100, False, "more than 100 times"),
        ((2**32 - 1, 65_535, 65_535), 100, True, "more than 100 times"),
        ((100_000, 1000), 100_000_000, True, "more than 100 times"),
        ((10, 28, 28), 300_000_000, True, "it holds more"),
        ((10, 28, 28), 100, False, "it holds 100"),
    ],
)
def test_an_idx_file_that_lies_or_grows_is_named(
    shape: tuple[int, ...], size: int, packed: bool, message: str, tmp_path: Path
) -> None:
    path, content = tmp_path / "train-images", idx(shape, bytes(size))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match=r"train-images.*" + message):
        read_idx(path)


@pytest.mark.slow
def test_a_table_whose_images_grow_is_named(tmp_path: Path) -> None:
    path = tmp_path / "grows.parquet"
    images = [b"\0" * 300_000_000, b"\0", b"\0", b"\0"]
    table = pa.table({"image": images, "label": [0, 1, 0, 1]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match=r"grows\.parquet.*times"):
        ImageTable(path, "image", "label")


@pytest.mark.parametrize("content", ["#EXTM3U\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '%s'\n"])
def test_a_video_that_names_other_files_is_not_followed(content: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "other.mp4")
    (tmp_path / "x.mp4").write_text(content % (tmp_path / "other.mp4"))
    with pytest.raises(BrokenVideo, match=r"x\.mp4"):
        count_frames(str(tmp_path / "x.mp4"))


# downloads


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Gives an archive that would write outside its folder, whatever it is asked for."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        member = tarfile.TarInfo("../../escaped")
        packed.addfile(member, BytesIO(b""))

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(archive.getvalue())

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/cifar-10-python.tar.gz"
        serving.shutdown()


def test_an_archive_without_the_published_checksum_is_not_unpacked(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", server)
    data = tmp_path / "a" / "b" / "data"
    data.mkdir(parents=True)
    with pytest.raises(DataMissing, match="download failed"):
        Cifar10().fetch(DataLocation(data=data, beside=None, cache=tmp_path / "cache"))
    assert not list(tmp_path.rglob("escaped"))
    assert list(data.iterdir()) == []
