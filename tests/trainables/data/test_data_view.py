"""The card of data that is no plain image set: streamed, of clips, of numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.report.data_page import render
from trainables.data import card as data_view
from trainables.data.card import DataView
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.datasets.imagenet import Imagenet

CLIPS = np.random.default_rng(0).random((6, 5, 1, 4, 4)).astype(np.float32)
NUMBERS = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]], np.float32)


class Movements(Dataset):
    """Clips of floats, with two numbers to predict."""

    name = "movements"

    def info(self, place: DataLocation) -> DataInfo:
        return DataInfo(self.name, "clip", (5, 1, 4, 4), "regression", targets=2)

    def fingerprint(self, place: DataLocation) -> str:
        return "f"

    def load(self, place: DataLocation) -> Examples:
        return Examples(CLIPS, NUMBERS, np.zeros(6, bool))


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return DataLocation(data=tmp_path, beside=None, cache=tmp_path / "cache")


def test_clips_with_numbers_to_predict(place: DataLocation) -> None:
    view = DataView(Movements(), place)
    card = view.card()
    (split,) = card.splits
    assert split.mean == pytest.approx([CLIPS.mean()]) and split.std == pytest.approx([CLIPS.std()])
    assert (card.classes, card.imbalance, split.classes) == ((), None, ())
    assert [(target.least, target.mean, target.greatest) for target in card.targets] == [(0, 5, 10), (1, 6, 11)]
    assert card.targets[0].std == pytest.approx(NUMBERS[:, 0].std())
    page = render(card, view.images(3, 10))
    assert page.count("<img ") == 6 and "Numbers to predict" in page


def test_a_streamed_set_is_counted_whole_and_measured_by_a_sample(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_view, "_SAMPLE", 8)
    for part, count in (("train", 10), ("val", 3)):
        for label, name in enumerate(("n1", "n2")):
            (tmp_path / "imagenet" / part / name).mkdir(parents=True)
            for number in range(count):
                grey = 100 * label + number + (50 if part == "val" else 0)
                Image.fromarray(np.full((9, 8, 3), grey, np.uint8)).save(
                    tmp_path / "imagenet" / part / name / f"{number}.png"
                )
    view = DataView(Imagenet(size=(4, 4)), place)
    card = view.card()
    train, test = card.splits
    assert (train.examples, train.measured, test.examples, test.measured) == (20, 8, 6, 6)
    assert (train.classes, test.classes, train.repeated, card.shared) == ((10, 10), (3, 3), 0, 0)
    assert test.mean == pytest.approx([np.mean([50, 51, 52, 150, 151, 152]) / 255] * 3)
    shown = view.images(2, 1)
    assert [group.name for group in shown] == ["n1"]
    assert [image.shape for image in shown[0].images] == [(3, 4, 4)] * 2
    page = render(card, shown)
    assert "8 and 6 examples drawn at random" in page and "Of the first 1 of 2 classes" in page
