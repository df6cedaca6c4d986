"""A user's own clips in a folder for each class: videos, or folders of frames."""

from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from trainables.component import Count
from trainables.data.image_dataset import ListedGroups, decoded_images
from trainables.data.videos.clips import ClipSource
from trainables.dataset import DataInfo, DataLocation, Examples


class ClipFolder(ListedGroups):
    """`path/CLASS/**/video.mp4` or `path/CLASS/**/clip/frame1.png`, or so below `path/train` and `path/test`.

    Videos are decoded with PyAV (`pip install 'orch-grid[video]'`); a folder of images is a clip in the order of their
    names. `path/test` is the official test split. All clips that are cut from one recording stay in one split. Above
    2 GiB the fingerprint is of names and sizes. `groups` is a CSV file, `path,group` with the paths of videos and folders
    of frames within `path`.
    """

    name: ClassVar[str] = "clip_folder"

    frames: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Frames of a clip."""
    stride: Count | None = None
    """Take every so-manieth frame, and as many clips, one after another, as a recording has room for; unless given, one
    clip with its frames spread evenly over the recording."""

    def _lists(self, location: DataLocation) -> list[str]:
        groups = self.located(location).groups
        return [] if groups is None else [groups]

    def info(self, location: DataLocation) -> DataInfo:
        info = super().info(location)
        return replace(info, input="clip", shape=(self.frames, *info.shape))

    def fingerprint(self, location: DataLocation) -> str:
        # another sampling makes other clips, and another number of them, of the same files
        made = f"{self.frames} {self.stride} {super().fingerprint(location)}"
        return blake2b(made.encode(), digest_size=16).hexdigest()

    def load(self, location: DataLocation) -> Examples:
        source = self._source(location)
        assert isinstance(source, ClipSource)
        shape = self._shape(source, location)
        recording = source.recording_of
        together = self._groups(source, location)
        inputs = decoded_images(source.batches(), len(recording) * self.frames, shape)
        return Examples(
            inputs.reshape(len(recording), self.frames, *shape),
            source.targets[recording],
            source.official_test[recording],
            groups=recording if together is None else together[recording],
        )

    def _open(self, root: Path) -> ClipSource:
        return ClipSource(root, self.frames, self.stride)

    def _reading(self) -> str:
        return "clips"
