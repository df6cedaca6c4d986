"""Recordings in class folders, cut into clips."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.content import digest_of_files
from trainables.data.files import printable
from trainables.data.image_dataset import ImageSource
from trainables.data.image_folders import SplitFolder, check_class_names, listed_groups, shown_folders, split_folders
from trainables.data.images import EncodedImage, Header, read_each
from trainables.data.videos.recordings import Recording, images_in, recordings
from trainables.errors import DataError, DataMissing

# Which frames of a recording make its clips.


def sampled(count: int, length: int, stride: int | None) -> NDArray[np.int64]:
    """Numbers of frames, (clips, length), which never fall from one to the next.

    count: frames of the recording. stride: every so-manieth frame is taken, in as many clips one after another as the
    recording has room for; one that is too short for a single clip is followed by its last frame. None: one clip, of
    the middles of `length` equal parts of the recording (Wang et al. 2016, "Temporal Segment Networks", sec. 3.1).
    """
    if stride is None:
        return ((2 * np.arange(length) + 1) * count // (2 * length))[None]
    span = (length - 1) * stride + 1
    clips = max(1, (count - span) // (length * stride) + 1)
    starts = np.arange(clips) * length * stride
    frames: NDArray[np.int64] = np.minimum(starts[:, None] + np.arange(length) * stride, count - 1)
    return frames


@dataclass(frozen=True, slots=True)
class _Found:
    recording: Recording
    folder: Path
    """Of its class."""
    test: bool


class ClipSource(ImageSource):
    """All recordings below the class folders, by split, class and path. The images are the frames of the clips.

    `targets` and `official_test` are of recordings; `recording_of` says which recording a clip is from.
    """

    def __init__(self, root: Path, length: int, stride: int | None) -> None:
        """length, stride: as in `sampled`. Raises DataMissing, DataError, BrokenImage, OSError."""
        if not root.is_dir():
            raise DataMissing(f"{root} is not a folder; clips are expected in one folder for each class")
        splits = split_folders(root)
        self._root = root
        self.classes = tuple(sorted({folder.name for split in splits for folder in shown_folders(split.path)}))
        check_class_names(self.classes, root)
        self._length, self._stride = length, stride
        self._found = [found for split in splits for found in _recordings(split)]
        self.files = [file for found in self._found for file in found.recording.files]
        self.targets = np.array([self.classes.index(found.folder.name) for found in self._found], np.int64)
        self.official_test = np.array([found.test for found in self._found], np.bool_)

    def all_but(self, broken: Collection[str]) -> NDArray[np.bool_]:
        """A recording is broken where one of its files is."""
        whole = (not any(name in broken for name in map(printable, found.recording.files)) for found in self._found)
        return np.fromiter(whole, np.bool_, len(self._found))

    @property
    def recording_of(self) -> NDArray[np.int64]:
        """(clips,), an index of a recording. Raises BrokenVideo, OSError."""
        return np.repeat(np.arange(len(self._found)), [len(clips) for clips in self._numbers])

    def batches(self) -> Iterator[list[EncodedImage]]:
        """The frames of a clip at a time. Raises BrokenVideo."""
        for found, clips in zip(self._found, self._numbers, strict=True):
            frames = found.recording.frames(clips.ravel().tolist())
            for _ in clips:
                yield [next(frames) for _ in range(self._length)]

    def headers(self) -> list[Header]:
        return list(chain.from_iterable(read_each(lambda found: list(found.recording.headers()), self._found)))

    def groups(self, key: str) -> NDArray[np.int64]:
        """Return each recording's group. key: the path of a CSV file, with the paths of recordings within the folder."""
        prefix = f"{self._root}{os.sep}"
        return listed_groups(Path(key), [found.recording.path.removeprefix(prefix) for found in self._found])

    def digest(self) -> str:
        return digest_of_files(
            (f"{'test' if found.test else ''}/{found.folder.name}/{Path(file).relative_to(found.folder)}", file)
            for found in self._found
            for file in found.recording.files
        )

    @cached_property
    def _numbers(self) -> list[NDArray[np.int64]]:
        """Return the frames of each recording's clips. Raises BrokenVideo naming every one that cannot be opened."""
        return read_each(lambda found: sampled(found.recording.count(), self._length, self._stride), self._found)

    def refuse_unfit(self) -> None:
        if empty := self.not_learnt():
            raise DataError(
                f"{self._root} has no clips to learn from in the class folder{'s' * (len(empty) > 1)} {', '.join(empty)}; "
                f"add videos (endings such as .mp4, .avi, .mkv) or folders of images, or remove the folder"
            )


def _recordings(split: SplitFolder) -> Iterator[_Found]:
    for folder in shown_folders(split.path):
        _refuse_loose_frames(folder)
        for recording in recordings(folder):
            yield _Found(recording, folder, split.test)


def _refuse_loose_frames(folder: Path) -> None:
    frames = images_in(folder)
    if frames:
        raise DataError(
            f"the class folder {printable(str(folder))} holds the image {printable(frames[0])} itself; put the "
            f"images of each clip into a folder of their own, as in {printable(folder.name)}/clip1/frame1.png"
        )
