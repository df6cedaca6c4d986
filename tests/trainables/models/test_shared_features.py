"""Features of a frozen net are computed once a node, for all trials that read the same pixels, and for no others."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.context import SingleContext
from trainables.data import array_folder
from trainables.data.own_folders import FEATURES
from trainables.dataset import DataInfo, DataLocation, Examples
from trainables.interfaces import Regularizer
from trainables.models.pretrained import features
from trainables.models.pretrained.safetensors_net import PretrainedSafetensors
from trainables.models.pretrained.tuning import TunedNet
from trainables.models.resnet import Resnet
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import TrialResult
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.weight_decay import WeightDecay
from trainables.spec import TrialSpec, TrialTask
from trainables.training.prepare import prepared
from trainables.training.trial import run_trial
from trainables.training.weights import save_weights
from trainables.training.weights_origin import WeightsOrigin

ROOT = Path(__file__).parents[3]
DIGITS = DataInfo("digits", "image", (1, 8, 8), "classification", tuple("0123456789"))
COUNT = 1797
LATENCIES = (1, 64)
"""Images in a batch that is timed."""


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    torch.set_num_threads(1)
    prepared.cache_clear()
    yield
    prepared.cache_clear()


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path / "cache")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the whole net, but those that are timed and the first two, which show what it does."""
    seen: list[int] = []
    plain = TunedNet.forward

    def forward(self: TunedNet, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.shape[-1] > 1 and len(inputs) not in (2, *LATENCIES):
            seen.append(len(inputs))
        return plain(self, inputs)

    monkeypatch.setattr(TunedNet, "forward", forward)
    return seen


def weights(place: DataLocation, seed: int = 1) -> Path:
    """A net with batch norm, trained by nobody."""
    path = place.cache.parent / f"net{seed}.safetensors"
    if not path.exists():
        torch.manual_seed(seed)
        net = Resnet(depth=8, width=8)
        origin = WeightsOrigin(model=net, shape=(1, 8, 8), mean=(0.3,), std=(0.4,))
        save_weights(net.build(DIGITS, 10).state_dict(), path, origin.metadata())
    return path


def run(
    place: DataLocation,
    *regularizers: Regularizer,
    seed: int = 0,
    lr: float = 0.05,
    net: int = 1,
    size: int = 16,
    data: dict[str, object] | None = None,
    protocol: dict[str, object] | None = None,
) -> TrialResult:
    digits = registry.get("dataset", "digits").from_parameters(data or {})
    component = registry.get("model", "pretrained:safetensors")
    model = component.from_parameters({"weights": str(weights(place, net)), "size": size})
    assert isinstance(model, PretrainedSafetensors)
    asked = Protocol.from_parameters({"epochs": 2, "batch_size": 64, **(protocol or {})})
    spec = TrialSpec(digits, model, Sgd(lr=lr), regularizers, asked, seed, digits.fingerprint(place))
    return run_trial(TrialTask("t", 1, spec, place, None), SingleContext(torch.device("cpu"), lambda _: False))


def figures(result: TrialResult) -> object:
    return result.train, result.val, result.test


def folders(place: DataLocation) -> list[Path]:
    home = place.cache / FEATURES
    return sorted(path for path in home.iterdir() if path.is_dir()) if home.exists() else []


def kept(place: DataLocation) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The features that the only trials here have shared, as they are now."""
    (folder,) = folders(place)
    return np.array(np.load(folder / "features.npy"))


def test_heads_and_seeds_share_what_the_first_of_them_computed(place: DataLocation, passes: list[int]) -> None:
    first = run(place)
    assert sum(passes) == COUNT, "each image once, those of the test split among them"
    passes.clear()
    others = [run(place, seed=1), run(place, lr=0.01), run(place, WeightDecay(value=0.1), seed=2)]
    assert passes == [], "no image of theirs goes through the net again"
    assert len({other.test.loss for other in (first, *others) if other.test is not None}) == 4
    assert all(other.costs.feature_seconds is not None for other in others)
    assert kept(place).shape == (COUNT, 32)


def test_a_trial_gives_the_same_bits_whoever_computed_its_features(place: DataLocation) -> None:
    run(place, seed=3)
    read = figures(run(place))
    shutil.rmtree(place.cache / FEATURES)
    assert figures(run(place)) == read


def test_they_are_what_each_trial_would_compute_itself(place: DataLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its inputs are standardised by its own training split, and its net takes that back."""
    own: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    plain = features._own

    def noted(*given: Any) -> Examples:
        own.append(plain(*given).inputs)
        return plain(*given)

    monkeypatch.setattr(features, "_own", noted)
    shared = run(place)
    monkeypatch.setattr(features, "_LEAST_NEEDED", 2.0)
    alone = run(place)
    (computed,) = own
    used = np.flatnonzero(computed.any(axis=(1, 2, 3)))
    assert len(used) == alone.sizes.train_size + alone.sizes.val_size
    np.testing.assert_allclose(kept(place)[used].ravel(), computed[used].ravel(), rtol=1e-4, atol=1e-6)
    assert shared.test is not None and alone.test is not None
    assert shared.test.loss == pytest.approx(alone.test.loss, abs=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        {"net": 2},
        {"size": 24},
        {"data": {"resize": 12}},
        {"data": {"pixel_noise": 0.1}},
        {"protocol": {"precision": "bf16"}},
    ],
    ids=["weights", "size", "resized data", "noisy data", "precision"],
)
def test_what_changes_features_has_features_of_its_own(
    place: DataLocation, other: dict[str, object], passes: list[int]
) -> None:
    run(place)
    passes.clear()
    run(place, **other)  # type: ignore[arg-type] - one of them
    assert sum(passes) == COUNT
    one, another = (np.load(folder / "features.npy") for folder in folders(place))
    assert not np.allclose(one, another, atol=1e-6)


def test_labels_and_fewer_examples_change_no_features(
    place: DataLocation, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(place)
    passes.clear()
    noisy, fewer = run(place, data={"label_noise": 0.5}), run(place, data={"per_class": 20})
    assert passes == []
    assert len(folders(place)) == 1
    assert fewer.sizes.train_size == 200
    monkeypatch.setattr(features, "_LEAST_NEEDED", 2.0)
    for one, data in ((noisy, {"label_noise": 0.5}), (fewer, {"per_class": 20})):
        alone = run(place, data=dict(data))
        assert one.train is not None and alone.train is not None
        assert one.train.loss == pytest.approx(alone.train.loss, abs=1e-5), "the labels that it learns are its own"


@pytest.mark.parametrize(
    "data",
    [
        {"spurious": 0.9},
        {"denoise": "autoencoder"},
    ],
    ids=["cue", "autoencoder"],
)
def test_inputs_of_a_trial_alone_have_features_of_it_alone(
    place: DataLocation, data: dict[str, object], passes: list[int]
) -> None:
    result = run(place, data=data)
    assert folders(place) == []
    assert result.costs.feature_seconds is not None
    passes.clear()
    run(place, data=data, seed=1)
    assert sum(passes) == COUNT, "of train and val for features, and of test after training"


def test_a_trial_that_needs_little_of_the_data_computes_just_that(
    place: DataLocation, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_LEAST_NEEDED", 0.5)
    result = run(place, data={"per_class": 20})
    assert folders(place) == []
    assert sum(passes) < COUNT
    assert sum(passes) == result.sizes.train_size + result.sizes.val_size + result.sizes.test_size


def test_nothing_is_shared_under_augmentation(place: DataLocation, passes: list[int]) -> None:
    result = run(place, Augment(flip=True))
    assert folders(place) == []
    assert result.costs.feature_seconds is None
    assert passes.count(result.sizes.val_size) == 2, "validation in each epoch"


@pytest.mark.parametrize("name", ["features.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_is_seen_and_computed_again(
    place: DataLocation, name: str, damage: str, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, expected = figures(run(place)), kept(place)
    path = folders(place)[0] / name
    content = bytearray(path.read_bytes())
    path.unlink()
    content[-2] ^= 4
    if damage != "remove":
        path.write_bytes(content if damage == "flip" else content[:-3])
    monkeypatch.setattr(array_folder, "_verified", set())  # as the next process has it
    passes.clear()
    assert figures(run(place)) == before
    assert sum(passes) == COUNT
    np.testing.assert_array_equal(kept(place), expected)


def test_features_of_other_code_are_not_used(
    place: DataLocation, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal weights in a net whose code has changed: its features of two examples are not those that are kept."""
    run(place)
    before = kept(place)
    plain = Resnet.build

    def other(self: Resnet, data: DataInfo, outputs: int) -> torch.nn.Module:
        net = plain(self, data, outputs)
        for part in net.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.eps = 1.0
        return net

    monkeypatch.setattr(Resnet, "build", other)
    monkeypatch.setattr(array_folder, "_verified", set())
    passes.clear()
    run(place)
    assert sum(passes) == COUNT
    assert not np.allclose(kept(place), before, rtol=0.05)


def test_where_nothing_can_be_kept_a_trial_computes_the_same_itself(
    place: DataLocation, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = figures(run(place))
    home = place.cache / FEATURES
    shutil.rmtree(home)
    home.write_text("")
    assert figures(run(place)) == expected
    assert "computed for this trial alone" in capsys.readouterr().out


def start(place: DataLocation, seed: int, *, dies: bool = False) -> subprocess.Popen[str]:
    code = (
        "import os, signal, torch; from pathlib import Path; from trainables.dataset import DataLocation\n"
        "from trainables.models.pretrained import shared_features; import test_shared_features as tests\n"
        "torch.set_num_threads(1); plain, done = shared_features._computed, []\n"
        "def computed(*given):\n"
        "    for part in plain(*given):\n"
        "        yield part\n"
        "        done.append(len(part))\n"
        f"        if {dies}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "shared_features._computed = computed\n"
        f"place = DataLocation(None, None, Path({str(place.cache)!r}))\n"
        f"print(sum(done), tests.run(place, seed={seed}).test.loss, sum(done))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "trainables" / "models")])
    surroundings = os.environ | {"PYTHONPATH": path}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, env=surroundings)


def test_two_slots_at_once_compute_once(place: DataLocation) -> None:
    weights(place)
    outputs = [process.communicate() for process in [start(place, 0), start(place, 1)]]
    computed = sorted(int(printed.split()[2]) for printed, _ in outputs)
    # whoever finds what the other has kept computes two, which say whether it is of this net
    assert computed == [2, COUNT], outputs


def test_a_slot_that_is_killed_half_way_leaves_nothing_that_is_read(place: DataLocation, passes: list[int]) -> None:
    weights(place)
    process = start(place, 0, dies=True)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = list((place.cache / FEATURES).glob(".*.*"))
    assert left != [], "it was writing"
    run(place)
    assert sum(passes) == COUNT
    assert [path.name[0] for path in folders(place)].count(".") == 0, "and what it left is gone"
