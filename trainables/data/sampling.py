"""Which frames of a recording make its clips."""

import numpy as np
from numpy.typing import NDArray


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
