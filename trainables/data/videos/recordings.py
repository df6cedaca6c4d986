"""Recordings of a user's own, in class folders: videos, and folders of frames."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainables.data.files import printable
from trainables.data.image_folders import Above, entries_below, is_folder, is_shown, refuse_what_is_no_file
from trainables.data.images import EncodedImage, Header, has_image_ending, read_header
from trainables.data.videos.video import count_frames, has_video_ending, video_frames, video_header
from trainables.errors import BrokenVideo


class Recording(ABC):
    """Frames in their order."""

    path: str

    @property
    @abstractmethod
    def files(self) -> Sequence[str]:
        """What it depends on."""

    @abstractmethod
    def count(self) -> int:
        """Frames. Raises BrokenVideo."""

    @abstractmethod
    def headers(self) -> Iterator[Header]:
        """Read headers of as many frames as tell the sizes and colours of all. Raises BrokenImage."""

    @abstractmethod
    def frames(self, wanted: Sequence[int]) -> Iterator[EncodedImage]:
        """Yield the frames of these numbers, which do not fall from one to the next. Raises BrokenVideo."""


@dataclass(frozen=True, slots=True)
class Video(Recording):
    """A file."""

    path: str

    @property
    def files(self) -> Sequence[str]:
        return (self.path,)

    def count(self) -> int:
        return count_frames(self.path)

    def headers(self) -> Iterator[Header]:
        yield video_header(self.path)

    def frames(self, wanted: Sequence[int]) -> Iterator[EncodedImage]:
        return video_frames(self.path, wanted)


@dataclass(frozen=True, slots=True)
class FrameFolder(Recording):
    """A folder of images, in the order of their names; numbers in names count as numbers."""

    path: str
    names: tuple[str, ...] = field(repr=False)

    @property
    def files(self) -> Sequence[str]:
        return [f"{self.path}/{name}" for name in self.names]

    def count(self) -> int:
        return len(self.names)

    def headers(self) -> Iterator[Header]:
        return map(read_header, self.frames(range(len(self.names))))

    def frames(self, wanted: Sequence[int]) -> Iterator[EncodedImage]:
        files = self.files
        return (EncodedImage(printable(files[number]), files[number]) for number in wanted)


def recordings(folder: Path) -> list[Recording]:
    """Return all in this folder and those within, by path; hidden ones are left out. Raises OSError, BrokenImage."""
    return sorted(_below(str(folder), frozenset()), key=lambda recording: recording.path)


def images_in(folder: Path) -> tuple[str, ...]:
    """Names of the images in the folder itself."""
    with os.scandir(folder) as entries:
        return _frames([entry for entry in entries if is_shown(entry.name)])


def _below(folder: str, above: Above) -> Iterator[Recording]:
    shown, above = entries_below(folder, above)
    frames = _frames(shown)
    if frames:
        yield FrameFolder(folder, frames)
    for entry in shown:
        if is_folder(entry):
            yield from _below(entry.path, above)
        elif has_video_ending(entry.name) and entry.name not in frames:
            refuse_what_is_no_file(entry, BrokenVideo)
            yield Video(entry.path)


def _frames(entries: "list[os.DirEntry[str]]") -> tuple[str, ...]:
    images = [entry for entry in entries if has_image_ending(entry.name) and not is_folder(entry)]
    # an animated image alone is a video, among others a frame
    if all(has_video_ending(entry.name) for entry in images):
        return ()
    for entry in images:
        refuse_what_is_no_file(entry)
    return tuple(sorted((entry.name for entry in images), key=_natural))


def _natural(name: str) -> tuple[list[int | str], str]:
    """frame9 before frame10. The name itself tells apart what counts as equal, such as frame1 and frame01."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)], name
