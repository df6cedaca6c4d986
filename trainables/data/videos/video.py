"""Videos, decoded by FFmpeg's libraries through PyAV, an optional package."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from trainables.data.files import printable
from trainables.data.images import MAX_PIXELS, EncodedImage, Header
from trainables.errors import BrokenVideo, DataError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

_ENDINGS: Final = (
    *("mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "ogv", "3gp", "mts", "m2ts"),
    "gif",
)
_TRUSTED: Final = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegvideo,mpegts,asf,flv,ogg,gif,mjpeg,h264,hevc",
}
"""FFmpeg's names of what a video of ours may be: single files that name no others."""
_NO_FRAME: Final = "no frame of it can be decoded"


def has_video_ending(name: str) -> bool:
    """Whether a file of this name is taken for a video."""
    return name.rpartition(".")[2].lower() in _ENDINGS


def count_frames(path: str) -> int:
    """Frames that the file holds, counted without decoding them. Raises BrokenVideo."""
    with _opened(path) as container:
        count = sum(1 for packet in container.demux(video=0) if packet.size)
    if not count:
        raise BrokenVideo(printable(path), _NO_FRAME)
    return count


def video_header(path: str) -> Header:
    """Size and colours of its first frame. Raises BrokenVideo."""
    with _opened(path) as container:
        for frame in container.decode(video=0):
            turned = _quarter_turns(frame) % 2
            height, width = (frame.width, frame.height) if turned else (frame.height, frame.width)
            return Header(height, width, _is_grey(frame))
    raise BrokenVideo(printable(path), _NO_FRAME)


def video_frames(path: str, wanted: Sequence[int]) -> Iterator[EncodedImage]:
    """The frames of these numbers, which count from 0 and may not fall, one image each, upright.

    A video that ends sooner gives its last frame for the rest. Raises BrokenVideo.
    """
    given, last = 0, None
    with _opened(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            last = frame
            while given < len(wanted) and wanted[given] == number:
                yield _image(path, number, frame)
                given += 1
            if given == len(wanted):
                return
        if last is None:
            raise BrokenVideo(printable(path), _NO_FRAME)
        for number in wanted[given:]:
            yield _image(path, number, last)


@contextmanager
def _opened(path: str) -> "Iterator[InputContainer]":
    try:
        import av
    except ImportError as missing:
        raise DataError(
            f"{printable(path)} is a video, and PyAV, which decodes videos, is not installed: pip install "
            f"'orch-grid[video]'; or give each clip as a folder of images"
        ) from missing
    try:
        # a playlist that is called as videos are could name addresses and other files; they are not followed
        with av.open(path, container_options=_TRUSTED) as container:
            if not container.streams.video:
                raise BrokenVideo(printable(path), "it holds no images")
            container.streams.video[0].codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            yield container
    except av.FFmpegError as damage:
        raise BrokenVideo(printable(path), damage.strerror or repr(damage)) from damage


def _image(path: str, number: int, frame: "VideoFrame") -> EncodedImage:
    """Uncompressed, as a portable grey or pixel map, so that it is sized as any other image."""
    grey = _is_grey(frame)
    pixels = np.rot90(frame.to_ndarray(format="gray" if grey else "rgb24"), _quarter_turns(frame))
    height, width = pixels.shape[:2]
    head = f"{'P5' if grey else 'P6'} {width} {height} 255\n"
    return EncodedImage(f"{printable(path)}#{number}", head.encode() + pixels.tobytes())


def _is_grey(frame: "VideoFrame") -> bool:
    return frame.format.name.startswith("gray")


def _quarter_turns(frame: "VideoFrame") -> int:
    """Return the quarter turns, against the clock, by which a telephone says that its image is to be turned."""
    return round(frame.rotation / 90) % 4
