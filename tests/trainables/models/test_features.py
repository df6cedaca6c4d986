"""Frozen nets learn from features that are computed once, and learn the same as from images."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainables.context import SingleContext
from trainables.dataset import DataInfo, DataLocation
from trainables.interfaces import Regularizer
from trainables.models.pretrained import features
from trainables.models.pretrained.safetensors_net import PretrainedSafetensors
from trainables.models.pretrained.tuning import TunedNet, head_of
from trainables.models.resnet import Resnet
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout
from trainables.spec import TrialSpec, TrialTask
from trainables.training.trial import run_trial
from trainables.training.weights import save_weights
from trainables.training.weights_origin import WeightsOrigin

DIGITS = DataInfo("digits", "image", (1, 8, 8), "classification", tuple("0123456789"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


def kept(place: DataLocation) -> Path:
    """A net with batch norm and a place for dropout before its head, trained by nobody."""
    path = place.cache / "net.safetensors"
    if not path.exists():
        torch.manual_seed(1)
        net = Resnet(depth=8, width=8)
        origin = WeightsOrigin(model=net, shape=(1, 8, 8), mean=(0.3,), std=(0.4,))
        save_weights(net.build(DIGITS, 10).state_dict(), path, origin.metadata())
    return path


def run(
    place: DataLocation, *regularizers: Regularizer, weights: Path | None = None, tune: str = "frozen"
) -> tuple[TrialResult, list[EpochRow]]:
    digits = registry.get("dataset", "digits").from_parameters({})
    component = registry.get("model", "pretrained:safetensors")
    model = component.from_parameters({"weights": str(kept(place)), "size": 16, "tune": tune})
    assert isinstance(model, PretrainedSafetensors)
    protocol = Protocol.from_parameters({"epochs": 2, "keep_weights": "best"})
    rows: list[EpochRow] = []
    spec = TrialSpec(digits, model, Sgd(lr=0.05), regularizers, protocol, 0, digits.fingerprint(place))
    return run_trial(TrialTask("t", 1, spec, place, weights), SingleContext(torch.device("cpu"), rows.append)), rows


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the whole net, batch by batch."""
    seen: list[int] = []
    plain = TunedNet.forward

    def forward(self: TunedNet, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.shape[-1] > 1:
            seen.append(len(inputs))
        return plain(self, inputs)

    monkeypatch.setattr(TunedNet, "forward", forward)
    return seen


def test_training_on_features_gives_what_training_on_images_gives(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, quick_rows = run(place, weights=tmp_path / "quick.safetensors")
    monkeypatch.setattr(features, "_MAX_BYTES", 0)
    slow, slow_rows = run(place, weights=tmp_path / "slow.safetensors")
    for one, other in zip(quick_rows, slow_rows, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        assert one.val.loss == pytest.approx(other.val.loss, rel=1e-3)
    assert quick.test is not None and slow.test is not None
    assert quick.test.loss == pytest.approx(slow.test.loss, rel=1e-3)
    assert quick.costs.parameters == slow.costs.parameters and quick.costs.flops == slow.costs.flops
    one, other = load_file(tmp_path / "quick.safetensors"), load_file(tmp_path / "slow.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name].float(), other[name].float(), atol=1e-3) for name in one)


def test_each_image_goes_through_the_net_once(tmp_path: Path, passes: list[int]) -> None:
    result, _ = run(DataLocation(data=None, beside=None, cache=tmp_path))
    images = result.sizes.train_size + result.sizes.val_size + result.sizes.test_size
    # and once more the two that show that nothing comes after the head; latencies are of zeros, one and a batch
    assert images + 2 <= sum(passes) < images + 2 + 40 * 65


def test_dropout_before_the_head_is_drawn_anew_each_time(place: DataLocation, passes: list[int]) -> None:
    dropped, _ = run(place, Dropout(p=0.9))
    plain, _ = run(place)
    assert dropped.train is not None and plain.train is not None
    assert dropped.train.loss != plain.train.loss


@pytest.mark.parametrize("case", ["augmented", "tuned"])
def test_what_changes_from_epoch_to_epoch_is_computed_each_time(
    place: DataLocation, passes: list[int], case: str
) -> None:
    augment = [Augment(flip=True)] if case == "augmented" else []
    result, rows = run(place, *augment, tune="frozen" if case == "augmented" else "last")
    # training and validation in both epochs, and the final measures of all three
    once = result.sizes.train_size + result.sizes.val_size
    assert sum(passes) >= 3 * once + result.sizes.test_size
    assert len(rows) == 2


def test_a_frozen_net_costs_what_the_whole_of_it_costs(place: DataLocation, passes: list[int]) -> None:
    frozen, rows = run(place)
    costs, whole = frozen.costs, Resnet(depth=8, width=8).build(DIGITS, 10)
    assert costs.parameters == sum(parameter.numel() for parameter in whole.parameters())
    head = head_of(whole)[1]
    assert costs.trainable_parameters == sum(part.numel() for part in head.parameters())
    assert 0 < costs.trainable_parameters < costs.parameters
    assert costs.model_bytes >= sum(tensor.numel() * tensor.element_size() for tensor in whole.state_dict().values())
    assert costs.feature_seconds is not None and costs.feature_seconds > 0
    assert costs.train_seconds == sum(row.seconds for row in rows)
    assert costs.total_seconds == costs.train_seconds + costs.feature_seconds
    assert passes.count(1) >= 3, "its latency is of images through the whole net, not of features through the head"


@pytest.mark.parametrize("case", ["augmented", "last", "all"])
def test_what_makes_no_features_took_none(place: DataLocation, case: str) -> None:
    augment = [Augment(flip=True)] if case == "augmented" else []
    result, _ = run(place, *augment, tune="frozen" if case == "augmented" else case)
    assert result.costs.feature_seconds is None
    assert result.costs.total_seconds == result.costs.train_seconds
    learn_all = case == "all"
    assert (result.costs.trainable_parameters == result.costs.parameters) is learn_all
