"""The measurement `corrupt`: where it can find anything out, and where not."""

import pytest

from trainables.dataset import DataInfo
from trainables.measurements.corrupt import Corrupt
from trainables.models.mlp import Mlp


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DataInfo("digits", "image", (1, 8, 8), "classification", ("a", "b")), None),
        (DataInfo("ages", "image", (1, 8, 8), "regression"), "corrupt needs classes, but ages has the task regression"),
        (
            DataInfo("clips", "clip", (4, 1, 8, 8), "classification", ("a", "b")),
            "corrupt changes images, but clips has clip inputs",
        ),
    ],
)
def test_it_needs_images_with_classes(data: DataInfo, reason: str | None) -> None:
    assert Corrupt().unsupported_reason(data, Mlp()) == reason
