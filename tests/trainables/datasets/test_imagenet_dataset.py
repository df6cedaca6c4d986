"""ImageNet's layout on a tree of some 200 JPEGs: what it reads, how it is divided, and that trials learn from it."""

import copy
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from pydantic import ValidationError

from tests.trainables.training.test_fit import Table, ThreadContext
from trainables.context import SingleContext
from trainables.data.cache import contents
from trainables.data.splits import split
from trainables.data.streaming import StreamedBatches
from trainables.dataset import DataLocation
from trainables.datasets.imagenet import Imagenet
from trainables.errors import BrokenImage, DataError, DataMissing
from trainables.models.mlp import Mlp
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol, Splits
from trainables.records import EpochRow, TrialResult
from trainables.spec import TrialSpec, TrialTask, derived_seeds
from trainables.tasks.classification import Classification
from trainables.training.fit import FitParts, TrainingResult, fit
from trainables.training.learner import LearnerParts, SupervisedLearner
from trainables.training.prepare import prepared
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
WORDNET = ("n01440764", "n01443537", "n02084071")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> DataLocation:
    return DataLocation(data=tree.parent, beside=None, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes of different brightness in noise, of different sizes; one image is in `train` and in `val`."""
    root = tmp_path_factory.mktemp("data") / "imagenet"
    random = np.random.default_rng(0)
    for part, count in (("train", 54), ("val", 12)):
        for label, name in enumerate(WORDNET):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                height, width = random.integers(20, 48, 2)
                pixels = random.normal(60 + 60 * label, 12, (height, width, 3)).clip(0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}_{number}.JPEG")
    shutil.copy(root / "train" / WORDNET[1] / f"{WORDNET[1]}_7.JPEG", root / "val" / WORDNET[1] / "again.JPEG")
    return root


def small(**parameters: Any) -> Imagenet:
    return Imagenet.from_parameters({"size": 16, **parameters})


def test_it_lists_what_torchvision_lists(place: DataLocation, tree: Path) -> None:
    dataset = small()
    info, examples = dataset.info(place), dataset.streamed(place)
    theirs = [torchvision.datasets.ImageFolder(tree / part) for part in ("train", "val")]
    assert info.classes == tuple(theirs[0].classes) == WORDNET
    assert (info.shape, info.official_test) == ((3, 16, 16), True)
    np.testing.assert_array_equal(examples.targets, theirs[0].targets + theirs[1].targets)
    np.testing.assert_array_equal(np.flatnonzero(examples.official_test), np.arange(len(theirs[0]), len(examples)))
    assert len(examples) == 3 * 66 + 1


def test_it_decodes_what_is_asked_for(place: DataLocation, tree: Path) -> None:
    dataset = small(middle=1.0, channels=1)
    decoder = dataset.streamed(place).decoder
    path = sorted((tree / "train" / WORDNET[0]).iterdir())[3]
    with Image.open(path) as image:
        short = min(image.size)
        left, top = ((side - short) / 2 for side in image.size)
        expected = image.convert("L").resize((16, 16), 2, (left, top, left + short, top + short))
    np.testing.assert_array_equal(decoder.decode(3, None)[0], np.asarray(expected))
    assert not np.array_equal(decoder.decode(3, 1), decoder.decode(3, 2))
    calm, plain = (data.streamed(place).decoder for data in (small(least_area=1.0), small()))
    np.testing.assert_array_equal(calm.decode(3, 1), plain.decode(3, None))
    np.testing.assert_array_equal(dataset.load(place).inputs[3], decoder.decode(3, None))


def test_a_image_in_both_splits_is_left_out_of_training(place: DataLocation) -> None:
    dataset = small()
    found = contents(dataset, place, dataset.fingerprint(place))
    examples, hashes = found.examples, found.hashes
    parts = split(examples, hashes, True, Splits(), seed=0)
    assert parts.dropped == 1
    assert not set(hashes[parts.train]) & set(hashes[parts.test])
    assert not set(hashes[parts.train]) & set(hashes[parts.val])
    assert len(parts.train) + len(parts.val) == 3 * 54 - 1
    assert len(parts.test) == 3 * 12 + 1


def test_the_fingerprint_is_of_content_and_the_identity_of_what_is_made_of_it(
    place: DataLocation, tree: Path, tmp_path: Path
) -> None:
    before = small().fingerprint(place)
    moved = tmp_path / "elsewhere"
    shutil.copytree(tree, moved)
    there = small(path=str(moved))
    assert there.fingerprint(place) == before and there.digest() == small().digest()
    assert len({small(**changed).digest() for changed in ({}, {"size": 17}, {"least_area": 0.5}, {"middle": 1.0})}) == 4
    (moved / "val" / WORDNET[0] / f"{WORDNET[0]}_0.JPEG").unlink()
    assert there.fingerprint(place) != before


def run(place: DataLocation, dataset: Imagenet, **protocol: Any) -> tuple[TrialResult, list[EpochRow]]:
    rows: list[EpochRow] = []
    prepared.cache_clear()
    spec = TrialSpec(dataset, Mlp(hidden=(16,)), Sgd(lr=0.1), (), Protocol(**protocol), 0, dataset.fingerprint(place))
    return run_trial(TrialTask(spec.trial_id, 1, spec, place, None), SingleContext(CPU, rows.append)), rows


def test_a_trial_learns_from_it_and_repeats_bit_by_bit(place: DataLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("all of it was decoded")

    monkeypatch.setattr(Imagenet, "load", refuse)
    dataset = small()
    result, rows = run(place, dataset, epochs=3, batch_size=16)
    again, same_rows = run(place, dataset, epochs=3, batch_size=16)
    assert result.status == "completed"
    assert result.test is not None and (result.test.accuracy or 0) > 0.9  # chance is a third
    assert result.test == again.test and result.val == again.val
    assert [row.train_loss for row in rows] == [row.train_loss for row in same_rows]
    assert (result.sizes.test_size, result.sizes.dropped_duplicates) == (37, 1)
    assert not list(place.cache.rglob("*.npy"))


def test_two_workers_learn_what_one_does(place: DataLocation) -> None:
    dataset = small(least_area=1.0)  # nothing at random, which each worker would draw on its own

    def learn(size: int) -> list[TrainingResult]:
        protocol, seeds = Protocol(epochs=2, batch_size=20), derived_seeds(0)  # of 146, the last has 6
        prepared.cache_clear()
        data = prepared(dataset, place, dataset.fingerprint(place), protocol.splits, seeds.split, CPU)
        assert isinstance(data.batches, StreamedBatches)
        torch.manual_seed(0)
        module, table = Mlp(hidden=(8,)).build(data.info, 3), Table(size)
        outcomes: list[Any] = [None] * size

        def work(rank: int) -> None:
            context, task = ThreadContext(rank, table, lambda row: None), Classification()
            parts = LearnerParts(
                copy.deepcopy(module), data.info, task, Sgd(lr=0.02), (), protocol, context, data.facts
            )
            outcomes[rank] = fit(FitParts(SupervisedLearner(parts), task, data, (), protocol, seeds, context))

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    (alone,), together = learn(1), learn(2)
    for training in together:
        assert training.examples == alone.examples
        assert [row.train_loss for row in training.history] == pytest.approx(
            [row.train_loss for row in alone.history], rel=1e-4
        )
        assert [row.val.loss for row in training.history] == pytest.approx(
            [row.val.loss for row in alone.history], rel=1e-4
        )


def test_a_broken_image_is_named_with_its_path(place: DataLocation, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "imagenet")
    broken = tmp_path / "imagenet" / "train" / WORDNET[2] / f"{WORDNET[2]}_5.JPEG"
    broken.write_bytes(broken.read_bytes()[:90])
    with pytest.raises(BrokenImage) as found:
        run(place, small(path=str(tmp_path / "imagenet")), epochs=1)
    assert found.value.path == str(broken)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (["val"], "has val and no train; add it, or give the path of val alone"),
        (["train", "val/flat.JPEG"], "val has no class folders; sort its images into one for each class"),
    ],
)
def test_a_tree_that_is_not_in_the_layout_is_reported(
    place: DataLocation, tree: Path, tmp_path: Path, keep: list[str], message: str
) -> None:
    for name in keep:
        if name.endswith(".JPEG"):
            (tmp_path / name).parent.mkdir()
            shutil.copy(next((tree / "val" / WORDNET[0]).iterdir()), tmp_path / name)
        else:
            shutil.copytree(tree / name, tmp_path / name)
    with pytest.raises(DataError, match=message):
        small(path=str(tmp_path)).info(place)


def test_without_splits_the_class_folders_lie_in_the_path_itself(place: DataLocation, tree: Path) -> None:
    info = small(path=str(tree / "train")).info(place)
    assert (info.classes, info.official_test) == (WORDNET, False)


def test_a_path_that_is_not_there_is_reported(tmp_path: Path) -> None:
    place = DataLocation(data=tmp_path, beside=None, cache=tmp_path / "cache")
    with pytest.raises(DataMissing, match=f"imagenet: imagenet is not there; looked for {tmp_path}/imagenet"):
        Imagenet().info(place)


@pytest.mark.parametrize("parameters", [{"least_area": 0}, {"least_area": 1.5}, {"middle": 0}, {"size": 0}])
def test_bad_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        Imagenet.from_parameters(parameters)


def test_options_of_labels_work_and_those_of_pixels_give_a_reason(place: DataLocation) -> None:
    few = small(per_class=5, label_noise=0.2)
    info = few.described(place)
    assert info.streamed and few.unsupported_reason(info) is None
    prepared.cache_clear()
    data = prepared(few, place, few.fingerprint(place), Splits(), 1, CPU)
    assert (len(data.split.train), len(data.unlabelled)) == (
        15,
        len(few.streamed(place)) - 37 - 1 - 15 - len(data.split.val),
    )
    noisy = torch.cat(
        [targets for _, targets in data.batches.evaluation(data.split.train, 8, lambda count: slice(0, count))]
    )
    assert int((noisy.numpy() != few.streamed(place).targets[data.split.train]).sum()) == 3  # a fifth of fifteen
    for option in ({"denoise": "median"}, {"resize": 8}, {"grayscale": True}, {"pixel_noise": 0.1}, {"spurious": 0.9}):
        changed = small(**option)
        reason = changed.unsupported_reason(changed.info(place))
        assert reason is not None and reason.startswith(f"{next(iter(option))} changes decoded images")
