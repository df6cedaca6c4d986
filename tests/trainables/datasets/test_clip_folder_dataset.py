"""A user's own clips: videos and folders of frames, in class folders."""

import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import ValidationError

from trainables.dataset import DataLocation
from trainables.datasets.clip_folder import ClipFolder
from trainables.errors import BrokenImage, BrokenVideo, DataError, DataMissing

Paint = Callable[..., Path]


def film(path: Path, greys: Sequence[int], size: tuple[int, int] = (4, 6), codec: str = "ffv1") -> Path:
    """Write a video whose frames have one grey each; ffv1 keeps every bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = size
        stream.pix_fmt = "gray" if codec == "ffv1" else "yuv420p"
        for grey in greys:
            frame = av.VideoFrame.from_ndarray(np.full(size, grey, np.uint8), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def coloured(path: Path, pixels: np.ndarray) -> Path:
    """Write a video of RGB frames, (frames, height, width, 3), without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "bgr0"
        for image in pixels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def root(place: DataLocation) -> Path:
    assert place.data is not None
    return place.data / "films"


@pytest.fixture
def films(root: Path, paint: Paint) -> Path:
    """Two classes, with videos, folders of frames, and what a user's folders hold besides."""
    film(root / "run" / "b.mkv", [10, 20, 30, 40])
    for number, value in ((1, 50), (2, 60), (10, 80), (9, 70)):
        paint(root / "run" / "a" / f"frame{number}.png", value)
    film(root / "walk" / "anna" / "c.MKV", [90, 100])
    paint(root / "walk" / "anna" / ".hidden.png", 9)
    (root / "walk" / "notes.txt").write_text("filmed at dusk")
    (root / ".cache").mkdir()
    return root


def greys(dataset: ClipFolder, place: DataLocation) -> list[list[int]]:
    return dataset.load(place).inputs[:, :, 0, 0, 0].tolist()


def test_a_clip_is_a_video_or_a_folder_of_frames_in_the_order_of_their_numbers(
    place: DataLocation, films: Path
) -> None:
    dataset = ClipFolder(path="films", frames=4)
    info, examples = dataset.info(place), dataset.load(place)
    assert (info.input, info.shape, info.classes, info.official_test) == ("clip", (4, 1, 4, 6), ("run", "walk"), False)
    assert examples.inputs.shape == (3, 4, 1, 4, 6) and examples.inputs.dtype == np.uint8
    assert greys(dataset, place) == [[50, 60, 70, 80], [10, 20, 30, 40], [90, 90, 100, 100]]
    assert examples.targets.tolist() == [0, 0, 1] and not examples.official_test.any()
    assert (examples.inputs == examples.inputs[..., :1, :1]).all()


def test_with_a_stride_a_recording_gives_as_many_clips_as_it_has_room_for_in_one_group(
    place: DataLocation, films: Path
) -> None:
    dataset = ClipFolder(path="films", frames=2, stride=1)
    assert greys(dataset, place) == [[50, 60], [70, 80], [10, 20], [30, 40], [90, 100]]
    examples = dataset.load(place)
    assert examples.groups is not None
    assert examples.groups.tolist() == [0, 0, 1, 1, 2]
    assert examples.targets.tolist() == [0, 0, 0, 0, 1]
    assert greys(ClipFolder(path="films", frames=3, stride=2), place) == [[50, 70, 80], [10, 30, 40], [90, 100, 100]]


def test_a_file_says_whose_recordings_belong_together(place: DataLocation, films: Path) -> None:
    (films / "people.csv").write_text("path,group\nrun/a,ann\nrun/b.mkv,bob\nwalk/anna/c.MKV,ann\n")
    dataset = ClipFolder(path="films", frames=2, stride=1, groups="people.csv")
    groups = dataset.load(place).groups
    assert groups is not None and groups.tolist() == [0, 0, 1, 1, 0]
    assert dataset.fingerprint(place) != ClipFolder(path="films", frames=2, stride=1).fingerprint(place)


def test_train_and_test_folders_are_an_official_split(place: DataLocation, root: Path) -> None:
    for value, name in enumerate(["train/a", "train/b", "test/a"]):
        film(root / name / "x.mkv", [value] * 3)
    examples = ClipFolder(path="films", frames=2, stride=1).load(place)
    assert ClipFolder(path="films").info(place).official_test
    assert examples.inputs[:, 0, 0, 0, 0].tolist() == [0, 1, 2]
    assert examples.targets.tolist() == [0, 1, 0]
    assert examples.official_test.tolist() == [False, False, True]


def test_colours_are_those_of_the_video(place: DataLocation, root: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)
    for name in ("a", "b"):
        coloured(root / name / "x.mkv", pixels)
    examples = ClipFolder(path="films", frames=3).load(place)
    assert examples.inputs.shape == (2, 3, 3, 4, 6)
    np.testing.assert_array_equal(examples.inputs[0], pixels.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("ending", ["mp4", "avi", "mov", "mkv", "webm"])
def test_the_usual_formats_of_video_are_read(place: DataLocation, root: Path, ending: str) -> None:
    for name, values in (("a", [40, 80, 120, 160]), ("b", [200] * 4)):
        film(root / name / f"x.{ending}", values, (48, 64), "libvpx-vp9" if ending == "webm" else "mpeg4")
    dataset = ClipFolder(path="films", frames=4)
    assert dataset.info(place).shape == (4, 3, 48, 64)
    found = dataset.load(place).inputs.mean((2, 3, 4))
    np.testing.assert_allclose(found, [[40, 80, 120, 160], [200] * 4], atol=6)


@pytest.mark.parametrize(
    ("size", "channels", "shape"),
    [(None, None, (1, 4, 6)), (8, None, (1, 8, 8)), ([2, 3], 3, (3, 2, 3)), (None, 3, (3, 4, 6))],
)
def test_size_and_channels(place: DataLocation, films: Path, size: object, channels: int | None, shape: object) -> None:
    given = {"path": "films", "size": size, "channels": channels, "frames": 2}
    dataset = ClipFolder.from_parameters({key: value for key, value in given.items() if value is not None})
    assert dataset.info(place).shape == dataset.load(place).inputs.shape[1:] == (2, *shape)  # type: ignore[misc]


def test_videos_of_different_sizes_ask_for_one(place: DataLocation, films: Path) -> None:
    film(films / "walk" / "d.mkv", [1, 2], (8, 8))
    with pytest.raises(DataError, match=r"different sizes, from 4x6 to 8x8 .*`size: 64`"):
        ClipFolder(path="films").info(place)
    assert ClipFolder(path="films", size=(4, 4)).info(place).shape == (16, 1, 4, 4)


def test_a_video_that_was_filmed_on_its_side_is_turned(place: DataLocation, root: Path) -> None:
    """A telephone writes a turn of a quarter into the track header (ISO 14496-12, 8.3.2)."""
    pixels = np.zeros((32, 64), np.uint8)
    pixels[:, :16] = 240  # bright on the left
    for name in ("a", "b"):
        path = root / name / "x.mp4"
        path.parent.mkdir(parents=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
            container.mux(stream.encode())
        content = bytearray(path.read_bytes())
        matrix = content.index(b"tkhd") + 4 + 40
        upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
        assert content[matrix : matrix + 36] == upright
        # to be shown turned by a quarter with the clock: x' = -y, y' = x
        content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
        path.write_bytes(content)
    dataset = ClipFolder(path="films", frames=2, channels=1)
    assert dataset.info(place).shape == (2, 1, 64, 32)
    frame = dataset.load(place).inputs[0, 0, 0].astype(int)
    assert frame[:12].mean() > 200 and frame[20:].mean() < 30  # what was on the left is on top


def test_the_fingerprint_is_of_content_and_of_how_it_is_cut(place: DataLocation, films: Path) -> None:
    before = ClipFolder(path="films").fingerprint(place)
    assert ClipFolder(path=str(films)).canonical() == ClipFolder(path="films").canonical()
    prints = {before, *(ClipFolder(path="films", **cut).fingerprint(place) for cut in ({"frames": 2}, {"stride": 1}))}
    assert len(prints) == 3
    moved = films.rename(films.parent / "moved")
    assert ClipFolder(path="moved").fingerprint(place) == before
    film(moved / "run" / "b.mkv", [10, 20, 30, 41])
    assert ClipFolder(path="moved").fingerprint(place) != before


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize("content", [b"", b"no video at all" * 99])
def test_a_video_that_cannot_be_decoded_is_an_error_with_its_path(
    place: DataLocation, films: Path, content: bytes, size: int | None
) -> None:
    for name in ("broken", "more"):
        (films / "walk" / f"{name}.mp4").write_bytes(content)
    dataset = ClipFolder.from_parameters({"path": "films", "size": size, "channels": 1 if size else None})
    with pytest.raises(BrokenVideo, match=rf"cannot read the video {films}/walk/broken\.mp4: .*also broken: .*more"):
        dataset.load(place)


def test_a_video_that_was_cut_off_is_an_error_with_its_path(place: DataLocation, films: Path) -> None:
    whole = film(films / "walk" / "whole.mp4", range(0, 200, 10), (48, 64), "mpeg4")
    (films / "walk" / "cut.mp4").write_bytes(whole.read_bytes()[:-600])
    with pytest.raises(BrokenVideo, match=r"walk/cut\.mp4"):
        ClipFolder(path="films", size=(8, 8)).load(place)


def test_sound_is_no_video(place: DataLocation, films: Path) -> None:
    with av.open(str(films / "walk" / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(BrokenVideo, match=r"sound\.mp4: it holds no images"):
        ClipFolder(path="films", size=(8, 8)).load(place)


def test_a_playlist_called_as_a_video_reads_no_other_file(place: DataLocation, films: Path) -> None:
    secret = film(films.parent / "secret.mkv", [1, 2, 3])
    (films / "walk" / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\nfile://{secret}\n")
    with pytest.raises(BrokenVideo, match=r"list\.mp4"):
        ClipFolder(path="films", size=(8, 8)).load(place)


def test_a_broken_frame_is_named(place: DataLocation, films: Path) -> None:
    (films / "run" / "a" / "frame2.png").write_bytes(b"nothing")
    with pytest.raises(BrokenImage, match=r"cannot read the image .*run/a/frame2\.png"):
        ClipFolder(path="films", frames=4, size=(4, 6), channels=1).load(place)


def test_without_pyav_the_error_says_how_to_get_it(
    place: DataLocation, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        DataError, match=r"b\.mkv is a video, and PyAV.* is not installed: pip install 'orch-grid\[video\]'"
    ):
        ClipFolder(path="films").info(place)


def test_frames_of_a_clip_need_no_pyav(
    place: DataLocation, root: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for value, name in ((1, "a/x/1"), (2, "a/x/2"), (3, "b/y/1")):
        paint(root / f"{name}.png", value)
    assert greys(ClipFolder(path="films", frames=2), place) == [[1, 2], [3, 3]]


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ([], DataMissing, "films is not a folder|not there"),
        (["a/x/1"], DataMissing, "one class folder, a; "),
        (["a/1", "b/y/1"], DataError, r"class folder .*/a holds the image 1\.png itself; .*a/clip1/frame1\.png"),
        (["train/a/x/1", "train/b/x/1", "test/c/x/1"], DataError, "no clips to learn from in the class folder c; add"),
    ],
)
def test_what_is_no_set_of_clips_is_refused(
    place: DataLocation, root: Path, paint: Paint, files: list[str], error: type[DataError], message: str
) -> None:
    for name in files:
        paint(root / f"{name}.png", 7)
    with pytest.raises(error, match=message):
        ClipFolder(path="films").info(place)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"path": "films", "frames": 0}, {"path": "films", "frames": 10**9}, {"path": "films", "stride": 0}],
)
def test_impossible_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClipFolder.from_parameters(parameters)
