"""Which frames of a recording make its clips."""

import numpy as np
import pytest

from trainables.data.videos.clips import sampled


@pytest.mark.parametrize(
    ("count", "length", "frames"),
    [
        (6, 3, [1, 3, 5]),
        (9, 3, [1, 4, 7]),
        (100, 4, [12, 37, 62, 87]),
        (3, 3, [0, 1, 2]),
        (2, 4, [0, 0, 1, 1]),
        (1, 3, [0, 0, 0]),
        (7, 1, [3]),
    ],
)
def test_without_a_stride_frames_are_spread_evenly_over_the_recording(
    count: int, length: int, frames: list[int]
) -> None:
    assert sampled(count, length, None).tolist() == [frames]


@pytest.mark.parametrize(
    ("count", "length", "stride", "clips"),
    [
        (6, 3, 1, [[0, 1, 2], [3, 4, 5]]),
        (8, 3, 1, [[0, 1, 2], [3, 4, 5]]),
        (11, 3, 2, [[0, 2, 4], [6, 8, 10]]),
        (10, 3, 2, [[0, 2, 4]]),
        (2, 3, 1, [[0, 1, 1]]),
        (4, 3, 3, [[0, 3, 3]]),
    ],
)
def test_with_a_stride_clips_stand_one_after_another(
    count: int, length: int, stride: int, clips: list[list[int]]
) -> None:
    assert sampled(count, length, stride).tolist() == clips


def test_whatever_is_asked_no_clip_leaves_the_recording_or_goes_back() -> None:
    for count in range(1, 40):
        for length in range(1, 9):
            for stride in (None, 1, 2, 5):
                frames = sampled(count, length, stride)
                assert frames.shape[1] == length and frames.min() >= 0 and frames.max() < count
                assert (np.diff(frames.ravel()) >= 0).all()
                if stride and count >= (length - 1) * stride + 1:
                    assert len(np.unique(frames)) == frames.size
