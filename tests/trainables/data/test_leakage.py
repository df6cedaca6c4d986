"""No image and nothing learnt of it goes from validation or test into training; a planted leak is caught."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainables.training.prepare as preparation
from trainables.data import autoencoder
from trainables.data.autoencoder import autoencoded
from trainables.data.splits import Split, refuse_leaks
from trainables.data.statistics import pixel_scale
from trainables.data.subset import TrialSplit, divided
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.errors import DataError
from trainables.protocol import Splits
from trainables.training.prepare import Prepared, prepared

CPU = torch.device("cpu")
NOBODY = np.empty(0, np.int64)
SPLIT = Split(np.arange(0, 6), np.arange(6, 9), np.arange(9, 12), 0)
HASHES = np.arange(12, dtype=np.uint64)


def test_a_split_that_shares_nothing_passes() -> None:
    refuse_leaks(SPLIT, np.array([5]), HASHES, np.repeat(np.arange(4), 3))


@pytest.mark.parametrize(
    ("split", "unlabelled", "hashes", "groups", "message"),
    [
        (
            replace(SPLIT, val=np.array([5, 6])),
            NOBODY,
            HASHES,
            None,
            "training and the validation split share 1 examples",
        ),
        (replace(SPLIT, test=np.array([8, 9])), NOBODY, HASHES, None, "validation and the test split share 1 examples"),
        (
            SPLIT,
            NOBODY,
            np.where(HASHES == 11, 0, HASHES),
            None,
            "training and the test split share 1 images of equal",
        ),
        (SPLIT, np.array([9, 10]), HASHES, None, "training and the test split share 2 examples"),
        (SPLIT, NOBODY, HASHES, np.repeat(np.arange(3), 4), "training and the validation split share 1 groups"),
    ],
)
def test_a_planted_leak_is_refused(split: Split, unlabelled: Any, hashes: Any, groups: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        refuse_leaks(split, unlabelled, hashes, groups)


class Shades(Dataset):
    """Noise in three classes; images that are held out can be exchanged for others."""

    name = "shades"
    held_out: tuple[int, ...] = ()

    def info(self, place: DataLocation) -> DataInfo:
        return DataInfo(self.name, "image", (1, 8, 8), "classification", ("a", "b", "c"))

    def fingerprint(self, place: DataLocation) -> str:
        return "0" * 32

    def load(self, place: DataLocation) -> Examples:
        generator = np.random.default_rng(0)
        inputs = generator.integers(0, 200, (120, 1, 8, 8)).astype(np.uint8)
        inputs[list(self.held_out)] = 255 - inputs[list(self.held_out)]
        return Examples(inputs, np.arange(120) % 3, np.zeros(120, bool))


OPTIONS: list[dict[str, Any]] = [
    {},
    {"preprocess": "scale"},
    {"denoise": "autoencoder"},
    {"per_class": 10, "label_noise": 0.3},
    {"imbalance": 0.1, "spurious": 0.8},
    {"pixel_noise": 0.2, "denoise": "nlm", "resize": (6, 6)},
    {"folds": 4},
]


def cache_of_first(function: Callable[..., TrialSplit]) -> Callable[..., TrialSplit]:
    """Gives each time what the function gave the first time."""
    kept: list[TrialSplit] = []

    def first(*arguments: Any, **named: Any) -> TrialSplit:
        kept.append(function(*arguments, **named))
        return kept[0]

    return first


def training_batches(data: Prepared) -> list[torch.Tensor]:
    """All that training can see: its batches and those of unlabelled images, as a model gets them."""
    parts = [data.split.train, data.unlabelled]
    return [
        tensor
        for part in parts
        for batch in data.batches.evaluation(part, 64, lambda n: slice(0, n))
        for tensor in batch
    ]


def depends_on_what_is_held_out(options: dict[str, Any], place: DataLocation, patch: pytest.MonkeyPatch) -> bool:
    """Whether anything that training sees changes when validation's and test's images are all exchanged."""
    # splits are drawn in the order of the contents' hashes, so other images would come with another split
    patch.setattr(preparation, "divided", cache_of_first(divided))
    patch.setattr(autoencoder, "STEPS", 10)
    seen = prepared(Shades(**options), place, "0" * 32, Splits(), 5, CPU, 1)
    held_out = (*seen.split.val.tolist(), *seen.split.test.tolist())
    other = prepared(Shades(held_out=held_out, **options), place, "0" * 32, Splits(), 5, CPU, 1)
    assert seen.split.train.tolist() == other.split.train.tolist()
    batches = zip(training_batches(seen), training_batches(other), strict=True)
    return seen.facts != other.facts or any(not torch.equal(a, b) for a, b in batches)


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    torch.set_num_threads(1)
    return DataLocation(data=None, beside=None, cache=tmp_path / "cache")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_training_sees_nothing_of_validation_and_test(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    assert not depends_on_what_is_held_out(options, place, monkeypatch)


def of_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """As somebody would write it who forgets that the statistics are the training split's."""
    return lambda inputs, _, *rest: function(inputs, np.arange(len(inputs)), *rest)


@pytest.mark.parametrize(
    ("name", "right", "options"),
    [("pixel_scale", pixel_scale, {}), ("autoencoded", autoencoded, {"denoise": "autoencoder"})],
)
def test_statistics_of_all_splits_are_caught(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch, name: str, right: Callable[..., Any], options: dict[str, Any]
) -> None:
    monkeypatch.setattr(preparation, name, of_all(right))
    preparation.prepared.cache_clear()
    try:
        assert depends_on_what_is_held_out(options, place, monkeypatch)
    finally:
        preparation.prepared.cache_clear()
