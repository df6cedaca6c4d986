"""The options of every data set: what a model gets under each, and that they are the same for any data set."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from trainables.data.cache import content_hashes, decoded
from trainables.data_options import DataOptions
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.datasets.digits import Digits
from trainables.errors import DataError, UnfitOption
from trainables.protocol import Splits
from trainables.registry import registry
from trainables.training.prepare import Prepared, prepared

CPU = torch.device("cpu")
SPLITS = Splits()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    torch.set_num_threads(1)
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


class Colours(Dataset):
    """60 random colour images, 10 x 12, of two classes; as fractions, or as clips of three frames, where asked for."""

    name = "colours"
    fractions: bool = False
    frames: bool = False
    names: tuple[str, ...] = ("red", "blue")

    def info(self, place: DataLocation) -> DataInfo:
        shape = (3, 3, 10, 12) if self.frames else (3, 10, 12)
        task = "classification" if self.names else "regression"
        return DataInfo(self.name, "clip" if self.frames else "image", shape, task, self.names)

    def fingerprint(self, place: DataLocation) -> str:
        return "1" * 32

    def load(self, place: DataLocation) -> Examples:
        shape = (60, *self.info(place).shape)
        inputs = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        targets = np.arange(60) % 2 if self.names else np.zeros((60, 1), np.float32)
        values = (inputs / 255).astype(np.float32) if self.fractions else inputs
        return Examples(values, targets, np.zeros(60, bool))


def ready(dataset: Dataset, place: DataLocation, seed: int = 0) -> Prepared:
    return prepared(dataset, place, dataset.fingerprint(place), SPLITS, 17, CPU, seed)


def inputs_of(data: Prepared, indices: np.ndarray) -> torch.Tensor:
    return torch.cat([inputs for inputs, _ in data.batches.evaluation(indices, 1000, lambda n: slice(0, n))])


def images(dataset: Dataset, place: DataLocation) -> np.ndarray:
    return decoded(dataset, place, dataset.fingerprint(place)).inputs


def test_every_data_set_has_them_and_keeps_its_old_identity() -> None:
    for name in registry.names("dataset"):
        component = registry.get("dataset", name)
        assert issubclass(component, DataOptions) and set(DataOptions.model_fields) <= set(component.model_fields)
    assert '"parameters":{}' in Digits().canonical()
    assert Digits(per_class=5).digest() != Digits().digest()


@pytest.mark.parametrize("fractions", [False, True])
def test_preprocess_gives_what_it_says(place: DataLocation, fractions: bool) -> None:
    plain = Colours().load(place).inputs
    data = {
        name: ready(Colours(preprocess=name, fractions=fractions), place) for name in ("none", "scale", "standardize")
    }
    everything = np.arange(60)
    torch.testing.assert_close(inputs_of(data["none"], everything), torch.from_numpy(plain).float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(inputs_of(data["scale"], everything), torch.from_numpy(plain) / 255)
    train = inputs_of(data["standardize"], data["standardize"].split.train)
    assert train.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert train.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert [each.info.preprocess for each in data.values()] == list(data)


@pytest.mark.parametrize("frames", [False, True])
def test_grayscale_is_pillows_and_models_are_told_of_one_channel(place: DataLocation, frames: bool) -> None:
    dataset = Colours(grayscale=True, frames=frames)
    shown, plain = images(dataset, place), Colours(frames=frames).load(place).inputs
    assert shown.shape[1:] == dataset.described(place).shape == ((3, 1, 10, 12) if frames else (1, 10, 12))
    flat = plain.reshape(-1, 3, 10, 12)
    expected = np.stack([np.asarray(Image.fromarray(one.transpose(1, 2, 0)).convert("L")) for one in flat])
    # Pillow computes in 16 bits: it may differ by one level where the exact value lies between two
    np.testing.assert_allclose(shown.reshape(-1, 10, 12).astype(int), expected.astype(int), atol=1)
    exact = np.einsum("nchw,c->nhw", flat.astype(float), [0.299, 0.587, 0.114])
    np.testing.assert_allclose(shown.reshape(-1, 10, 12), exact, atol=0.501)


@pytest.mark.parametrize("size", [(5, 6), (20, 31), (10, 4)])
def test_resize_is_pillows_and_models_are_told_of_it(place: DataLocation, size: tuple[int, int]) -> None:
    dataset = Colours(resize=size)
    shown, plain = images(dataset, place), Colours().load(place).inputs
    assert shown.shape[1:] == dataset.described(place).shape == (3, *size)
    expected = np.stack(
        [
            np.asarray(Image.fromarray(one.transpose(1, 2, 0)).resize(size[::-1], Image.Resampling.BILINEAR))
            for one in plain
        ]
    ).transpose(0, 3, 1, 2)
    # Pillow rounds to whole levels between the two directions
    np.testing.assert_allclose(shown.astype(int), expected.astype(int), atol=1)


def test_a_side_is_a_square_and_sizes_are_checked() -> None:
    assert Digits.from_parameters({"resize": 12}).resize == (12, 12)
    assert Digits.from_parameters({"resize": [4, 6]}).resize == (4, 6)
    for wrong in (
        {"resize": 0},
        {"folds": 1},
        {"imbalance": 0},
        {"label_noise": 1.0},
        {"spurious": 1.1},
        {"per_class": 0},
    ):
        with pytest.raises(ValidationError):
            Digits.from_parameters(wrong)


def test_pixel_noise_has_the_deviation_asked_for_and_is_fixed(place: DataLocation) -> None:
    noisy = images(Colours(pixel_noise=0.1, fractions=True), place)
    plain = Colours(fractions=True).load(place).inputs
    inner = abs(plain - 0.5) < 0.1  # four deviations from the ends, where it would be cut off
    difference = (noisy - plain)[inner]
    assert difference.std() == pytest.approx(0.1, rel=0.05) and abs(difference.mean()) < 0.01
    np.testing.assert_array_equal(noisy, images(Colours(pixel_noise=0.1, fractions=True), place))
    first, second = (ready(Colours(pixel_noise=0.1), place, seed=seed) for seed in (0, 1))
    assert torch.equal(inputs_of(first, np.arange(60)), inputs_of(second, np.arange(60)))


def test_copies_stay_together_though_noise_tells_them_apart(place: DataLocation) -> None:
    class Copies(Colours):
        name = "copies"

        def load(self, place: DataLocation) -> Examples:
            plain = super().load(place)
            labels = np.repeat(np.arange(30) % 2, 2)
            return Examples(np.repeat(plain.inputs[::2], 2, axis=0), labels, plain.official_test)

    dataset = Copies(pixel_noise=0.2)
    noisy, hashes = images(dataset, place), content_hashes(dataset, place, dataset.fingerprint(place))
    assert (noisy[0] != noisy[1]).any() and len(set(hashes.tolist())) == 30
    split = ready(dataset, place).split
    parts = [set((part // 2).tolist()) for part in (split.train, split.val, split.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


def test_noise_comes_before_the_filter(place: DataLocation) -> None:
    clean = images(Digits(resize=(24, 24)), place).astype(float)
    noisy, filtered = (
        images(Digits(resize=(24, 24), pixel_noise=0.2, denoise=denoise), place).astype(float)
        for denoise in ("none", "nlm")
    )
    assert np.mean((filtered - clean) ** 2) < 0.7 * np.mean((noisy - clean) ** 2)


def test_what_depends_on_the_split_makes_no_other_copy_on_disk(tmp_path: Path) -> None:
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    for options in (
        {},
        {"preprocess": "none"},
        {"per_class": 3},
        {"imbalance": 0.5},
        {"label_noise": 0.1},
        {"spurious": 0.5},
        {"folds": 3},
        {"denoise": "autoencoder"},
    ):
        images(Colours(**options), place)  # type: ignore[arg-type] # each is checked where it is given
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1
    images(Colours(denoise="median"), place)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_few_labels_leave_the_other_training_images_unlabelled(place: DataLocation) -> None:
    few, all_ = ready(Digits(per_class=20), place), ready(Digits(), place)
    assert few.facts.class_counts == (20,) * 10
    assert sorted([*few.split.train, *few.unlabelled]) == all_.split.train.tolist()
    for part in ("val", "test"):
        np.testing.assert_array_equal(getattr(few.split, part), getattr(all_.split, part))
    _, hidden = next(few.batches.evaluation(few.unlabelled, 10, lambda n: slice(0, n)))
    assert set(hidden.tolist()) == {-100}


def test_a_long_tail_and_wrong_labels_are_of_training_alone(place: DataLocation) -> None:
    plain, tail = ready(Digits(), place), ready(Digits(imbalance=0.1), place)
    expected = [int(count * 0.1 ** (label / 9) + 1e-6) for label, count in enumerate(plain.facts.class_counts)]
    assert list(tail.facts.class_counts) == expected
    assert set(tail.split.train.tolist()) < set(plain.split.train.tolist()) and not len(tail.unlabelled)

    wrong = ready(Digits(label_noise=0.2), place)
    labels = Digits().load(place).targets
    for part, share in (("train", 0.2), ("val", 0), ("test", 0)):
        indices = getattr(wrong.split, part)
        np.testing.assert_array_equal(indices, getattr(plain.split, part))
        _, given = next(wrong.batches.evaluation(indices, 10_000, lambda n: slice(0, n)))
        assert int((given.numpy() != labels[indices]).sum()) == round(share * len(indices))
    assert sum(wrong.facts.class_counts) == len(wrong.split.train) and wrong.facts != plain.facts


def test_more_than_there_is_is_refused_with_the_class_and_its_count(place: DataLocation) -> None:
    counts = ready(Digits(), place).facts.class_counts
    with pytest.raises(UnfitOption, match=f"8 has {counts[8]}; give a smaller number"):
        ready(Digits(per_class=counts[8] + 1), place)


def test_the_cue_agrees_with_the_class_but_in_the_test_split(place: DataLocation) -> None:
    data = ready(Digits(spurious=0.9), place)
    labels = Digits().load(place).targets
    assert data.cues is not None
    agreement = {
        part: float((data.cues == labels)[getattr(data.split, part)].mean()) for part in ("train", "val", "test")
    }
    assert agreement["train"] == pytest.approx(0.9, abs=0.04) and agreement["val"] == pytest.approx(0.9, abs=0.1)
    assert agreement["test"] == pytest.approx(0.1, abs=0.07)


def test_seeds_of_a_cross_validation_test_on_everything_once(place: DataLocation) -> None:
    folds = [ready(Digits(folds=5), place, seed).split for seed in range(5)]
    tested = np.concatenate([split.test for split in folds])
    assert sorted(tested.tolist()) == list(range(1797))
    assert all(split.dropped == 0 and len(split.val) for split in folds)


def test_folds_take_an_official_test_split_in(place: DataLocation) -> None:
    class Official(Colours):
        name = "official"

        def info(self, place: DataLocation) -> DataInfo:
            plain = super().info(place)
            return DataInfo(self.name, plain.input, plain.shape, plain.task, plain.classes, official_test=True)

        def load(self, place: DataLocation) -> Examples:
            plain = super().load(place)
            return Examples(plain.inputs, plain.targets, np.arange(60) >= 50)

    assert ready(Official(), place).split.test.tolist() == list(range(50, 60))
    assert not Official(folds=3).described(place).official_test
    tested = [ready(Official(folds=3), place, seed).split.test for seed in range(3)]
    assert sorted(np.concatenate(tested).tolist()) == list(range(60))


TURNED: dict[str, Any] = {
    "stream": {"blocks": 6, "shift": [{"name": "rotate", "to": 40}, {"name": "fog", "severity": 4, "from": 3}]}
}


def streamed(**options: Any) -> Digits:
    return Digits.from_parameters({**TURNED, **options})


def test_a_stream_is_the_test_split_whose_pictures_are_the_same_whatever_was_seen(place: DataLocation) -> None:
    plain = ready(Digits(), place)
    data = [ready(streamed(seen=seen), place) for seen in (0, 2, 5)]
    assert data[0].stream is not None and plain.stream is None
    blocks = data[0].stream.blocks
    assert sorted(np.concatenate(blocks).tolist()) == plain.split.test.tolist()
    assert data[0].split.train.tolist() == plain.split.train.tolist() and data[0].facts == plain.facts
    for seen, one in zip((0, 2, 5), data, strict=True):
        assert one.split.test.tolist() == np.concatenate(blocks[seen:]).tolist()
        assert one.split.val[: len(plain.split.val)].tolist() == plain.split.val.tolist()
        held_out = one.split.val[len(plain.split.val) :].tolist()
        trained = one.split.train[len(plain.split.train) :].tolist()
        assert sorted(held_out + trained) == sorted(np.concatenate([[], *blocks[:seen]]).tolist())
    stored = [one.batches.examples(np.arange(1797)).inputs for one in data]
    np.testing.assert_array_equal(stored[0], stored[1])
    np.testing.assert_array_equal(stored[0], stored[2])
    other = prepared(streamed(), place, Digits().fingerprint(place), SPLITS, 18, CPU)  # of another seed
    assert (other.batches.examples(np.arange(1797)).inputs != stored[0]).any()
    same = np.setdiff1d(np.arange(1797), np.concatenate(blocks[1:]))
    originals = plain.batches.examples(np.arange(1797)).inputs
    np.testing.assert_array_equal(stored[0][same], originals[same])
    assert all((stored[0][block] != originals[block]).mean() > 0.2 for block in blocks[1:])


def test_no_picture_of_a_block_that_has_not_come_is_in_training(place: DataLocation, tmp_path: Path) -> None:
    """All those are exchanged, and everything that training and validation can see stays."""
    seen = ready(streamed(seen=2), place)
    later = seen.split.test

    class Exchanged(Digits):
        name = "exchanged"

        def fingerprint(self, place: DataLocation) -> str:
            return "2" * 32

        def load(self, place: DataLocation) -> Examples:
            plain = super().load(place)
            return replace(plain, inputs=255 - plain.inputs) if place == elsewhere else plain

    elsewhere = replace(place, cache=tmp_path)
    other = ready(Exchanged.from_parameters({**TURNED, "seen": 2}), elsewhere)
    divided = zip((other.split.train, other.split.val), (seen.split.train, seen.split.val), strict=True)
    assert not np.intersect1d(later, np.concatenate([seen.split.train, seen.split.val, seen.unlabelled])).size
    assert [len(mine) for mine, _ in divided] == [len(seen.split.train), len(seen.split.val)]
    kept = np.concatenate([seen.split.train, seen.split.val])
    assert seen.stream is not None and not np.isin(np.concatenate(seen.stream.blocks[2:]), kept).any()


def test_a_stream_goes_with_worse_training_data(place: DataLocation) -> None:
    few = ready(streamed(seen=3, per_class=20, label_noise=0.5, spurious=0.9), place)
    assert few.stream is not None and few.cues is not None
    labels = Digits().load(place).targets
    trained = np.isin(np.concatenate(few.stream.blocks[:3]), few.split.train).sum()
    assert len(few.split.train) == 200 + trained and sum(few.facts.class_counts) == 200 + trained
    _, given = next(few.batches.evaluation(few.split.train, 10_000, lambda n: slice(0, n)))
    assert int((given.numpy() != labels[few.split.train]).sum()) == 100  # what comes is labelled rightly
    came = np.concatenate(few.stream.blocks)  # in what has been seen the patch says as little as in what is tested on
    assert (few.cues == labels)[came].mean() == pytest.approx(0.1, abs=0.07)
    assert (few.cues == labels)[few.split.train[:200]].mean() == pytest.approx(0.9, abs=0.07)
    np.testing.assert_array_equal(few.cues, ready(streamed(spurious=0.9), place).cues)


def test_a_stream_is_no_part_of_the_identity_of_data_without_one() -> None:
    canonical = Digits().canonical()
    assert "stream" not in canonical and "seen" not in canonical
    first, later = streamed().canonical(), streamed(seen=1).canonical()
    assert '"seen":1' in later and "seen" not in first and '"from":3' in first
    assert Digits.from_parameters(streamed(seen=1).parameters()).digest() == streamed(seen=1).digest()


@pytest.mark.parametrize(
    ("dataset", "option", "message"),
    [
        (Digits(seen=2), "seen", "there is none; give stream too"),
        (streamed(seen=6), "seen", "seen is 6, and the stream has 6 blocks"),
        (streamed(folds=3), "stream", "folds tests on every image"),
        (streamed(denoise="median"), "stream", "denoise filters images before"),
        (streamed(stream={"blocks": 13}), "stream", r"359 examples has 2\d in block \d+ of 13"),
        (Colours.from_parameters({**TURNED, "frames": True}), "stream", "colours has clip inputs"),
        (Colours.from_parameters({**TURNED, "names": []}), "stream", "colours has no classes"),
    ],
)
def test_what_cannot_be_a_stream_is_refused_at_its_option(
    place: DataLocation, dataset: Dataset, option: str, message: str
) -> None:
    with pytest.raises(UnfitOption, match=message) as refused:
        ready(dataset, place)
    assert refused.value.option == option


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": 1},
        {"blocks": 1_001},
        {"shift": {"name": "rotat", "severity": 1}},
        {"shift": {"name": "fog", "severity": 6}},
        {"shift": {"name": "fog", "severity": True}},
        {"shift": {"name": "fog", "to": 3.0}},
        {"shift": {"name": "rotate", "to": 181}},
        {"shift": {"name": "rotate", "to": 3, "severity": 1}},
        {"shift": {"name": "rotate"}},
        {"shift": {"name": "fog", "severity": 1, "from": 6}},
        {"shift": {"name": "fog", "severity": 1, "from": -1}},
        {"shift": {"name": "fog", "severity": 1, "until": 8}},
        {"shift": {"name": "fog", "severity": 1, "from": 3, "until": 3}},
        {"shift": "fog"},
        {"shift": {"name": "fog", "severity": 1, "form": 3}},
        {"speed": 3},
    ],
    ids=str,
)
def test_a_schedule_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    Digits.from_parameters({"stream": {"blocks": 6}})
    with pytest.raises(ValidationError):
        Digits.from_parameters({"stream": {"blocks": 6, **wrong}})


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Colours(names=(), per_class=2), "per_class needs classes, but colours has none"),
        (Colours(names=(), spurious=0.5), "spurious needs classes"),
        (
            Colours(names=tuple(f"colour {number}" for number in range(160)), spurious=0.5),
            "spurious has 72 different patches .* 160 classes",
        ),
    ],
)
def test_what_makes_no_sense_of_the_data_has_a_reason(place: DataLocation, dataset: Dataset, message: str) -> None:
    reason = dataset.unsupported_reason(dataset.info(place))
    assert reason is not None
    with pytest.raises(DataError, match=message):
        ready(dataset, place)


def changed(load: Callable[[Examples], Examples]) -> Dataset:
    class Changed(Colours):
        name = "changed"

        def load(self, place: DataLocation) -> Examples:
            return load(super().load(place))

    return Changed()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([1] + [0] * 59), "the class blue has one image .*: it cannot be both trained on and tested"),
        (np.array([0] * 59 + [1]), "the class blue has one image"),
    ],
)
def test_a_class_with_one_image_is_refused(tmp_path: Path, labels: Any, message: str) -> None:
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    dataset = changed(lambda plain: Examples(plain.inputs, labels, plain.official_test))
    with pytest.raises(DataError, match=message):
        ready(dataset, place)


@pytest.mark.parametrize("other", ["red", " red"])
def test_two_classes_of_one_name_are_refused(tmp_path: Path, other: str) -> None:
    place = DataLocation(data=None, beside=None, cache=tmp_path)
    with pytest.raises(DataError, match="two of its classes are called red"):
        ready(Colours(names=("red", other)), place)


def test_more_folds_than_there_are_different_examples_are_refused(place: DataLocation, tmp_path: Path) -> None:
    """A fold without an example would be tested on examples that other seeds test on too."""
    with pytest.raises(UnfitOption, match="folds is 61, and there are 60 different examples") as refused:
        ready(Colours(folds=61), place)
    assert refused.value.option == "folds"
    copies = changed(lambda plain: Examples(np.repeat(plain.inputs[:30], 2, 0), plain.targets, plain.official_test))
    with pytest.raises(UnfitOption, match="there are 30 different examples"):
        ready(copies.model_copy(update={"folds": 31}), replace(place, cache=tmp_path))


def test_a_size_that_no_memory_holds_is_refused_before_anything_is_made(place: DataLocation) -> None:
    with pytest.raises(
        UnfitOption, match=r"60 examples of .* x 100000 x 100000 take .* GiB .*smaller `resize`"
    ) as refused:
        ready(Colours(resize=(100_000, 100_000)), place)
    assert refused.value.option == "resize"
