"""Variants: what they are beside their parent, and what becomes of parents whose weights are not what they should be."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import TrainedNet, train
from trainables.data import batches as batches_module
from trainables.deployments.int8 import Int8
from trainables.deployments.none import Nothing
from trainables.deployments.prune import Prune
from trainables.errors import CannotDeploy, WeightsError
from trainables.interfaces import Deployment
from trainables.models.cnn import Cnn
from trainables.registry import registry
from trainables.stages.parent import ParentNet
from trainables.stages.variant import MakesVariant, Variant


class Same(Nothing):
    """The net as it is, made into a variant."""

    name: ClassVar[str] = "same"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return train(tmp_path_factory.mktemp("net"))


def test_a_net_that_nothing_was_made_of_gives_what_its_parent_gave(net: TrainedNet) -> None:
    result = net.variant(Same())
    assert result.status == "completed"
    assert (result.train, result.val, result.test) == (net.result.train, net.result.val, net.result.test)
    assert result.breakdown == net.result.breakdown and result.predictions == net.result.predictions
    assert result.costs.parameters == net.result.costs.parameters and result.costs.flops == net.result.costs.flops
    variant = result.variant
    assert variant is not None
    assert (variant.agreement, variant.max_abs_difference, variant.size_ratio, variant.packed_ratio) == (1, 0, 1, 1)
    assert 0 < variant.speedup_low <= variant.speedup <= variant.speedup_high
    assert (result.epochs, result.steps, result.costs.train_seconds) == (0, 0, 0)


def test_its_identity_is_made_of_its_parents_and_of_the_deployment(net: TrainedNet) -> None:
    of = {deployment: replace(net.spec, deployment=deployment) for deployment in (Same(), Int8(), Prune(amount=0.1))}
    ids = {net.spec.trial_id, *(spec.trial_id for spec in of.values())}
    assert len(ids) == 4
    assert net.spec.trial_id == "af14b0f8a949a65b"
    assert of[Int8()].trial_id == "195dde8093456142"


def test_every_deployment_makes_variants() -> None:
    assert all(issubclass(registry.get("deployment", name), MakesVariant) for name in registry.names("deployment"))


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "pickle", "of another trial", "of another net", "lacks"])
def test_weights_that_are_not_the_parents_are_refused(net: TrainedNet, tmp_path: Path, damage: str) -> None:
    weights, content = tmp_path / "weights.safetensors", net.weights.read_bytes()
    tensors, metadata = load_file(net.weights), {"trial_id": net.spec.trial_id}
    match damage:
        case "empty":
            weights.write_bytes(b"")
        case "cut":
            weights.write_bytes(content[: len(content) // 2])
        case "pickle":
            torch.save(tensors, weights)
        case "of another trial":
            save_file(tensors, weights, {"trial_id": "0" * 16})
        case "of another net":
            save_file({name: tensor[:1].clone() for name, tensor in tensors.items()}, weights, metadata)
        case "lacks":
            save_file(dict([*tensors.items()][1:]), weights, metadata)
    with pytest.raises(WeightsError):
        net.variant(Same(), weights=weights)


def test_weights_that_give_another_loss_than_the_row_has_are_refused(net: TrainedNet, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    changed = {name: tensor * 1.01 for name, tensor in load_file(net.weights).items()}
    save_file(changed, weights, {"trial_id": net.spec.trial_id})
    with pytest.raises(WeightsError, match="they are not what it was measured with"):
        net.variant(Same(), weights=weights)


def test_a_loss_that_is_another_machines_is_told_and_no_error(
    net: TrainedNet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert net.result.test is not None
    net.variant(Same(), test_loss=net.result.test.loss * (1 + 1e-6))
    assert "gave" in capsys.readouterr().out


class Calibrated(Deployment):
    """Reads all that it can."""

    name: ClassVar[str] = "calibrated"
    examples: int

    def make(self, parent: ParentNet) -> Variant:
        for _ in parent.calibration(self.examples):
            pass
        parent.some_pixels(100)
        training = parent.fine_tune(parent.learner(), 1)
        assert len(parent.data.split.test) == 0 and parent.data.tested is None
        return Variant(parent.module, parent.artifact, training=training)


def test_nothing_is_calibrated_or_trained_on_a_test_example(net: TrainedNet, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[NDArray[np.int64]] = []
    during: list[int] = []
    beside, make = batches_module.Batches.beside, Calibrated.make

    def noted(batches: batches_module.Batches, wanted: NDArray[np.int64]) -> torch.Tensor:
        read.append(wanted)
        return beside(batches, wanted)

    def bounded(deployment: Calibrated, parent: ParentNet) -> Variant:
        during.append(len(read))
        variant = make(deployment, parent)
        during.append(len(read))
        return variant

    monkeypatch.setattr(batches_module.Batches, "beside", noted)
    monkeypatch.setattr(Calibrated, "make", bounded)
    net.variant(Calibrated(examples=64))
    examples = FewDigits().load(net.place)
    tested = set(np.flatnonzero(examples.official_test))
    assert tested & set(np.concatenate(read)), "the variant is measured on them"
    assert not tested & set(np.concatenate(read[during[0] : during[1]])), "and made without them"


def test_calibration_on_more_examples_than_there_are_is_refused(net: TrainedNet) -> None:
    with pytest.raises(CannotDeploy, match="asks for 73 training examples, and there are 72"):
        net.variant(Calibrated(examples=73))


def test_calibration_examples_are_drawn_by_the_seed_and_each_once(net: TrainedNet) -> None:
    def drawn(seed: int) -> set[bytes]:
        kept: list[bytes] = []

        class Keeping(Calibrated):
            name: ClassVar[str] = "keeping"

            def make(self, parent: ParentNet) -> Variant:
                kept.extend(example.numpy().tobytes() for batch in parent.calibration(20) for example in batch)
                return Variant(parent.module, parent.artifact)

        net.variant(Keeping(examples=seed))
        return set(kept)

    assert len(drawn(1)) == 20 and drawn(1) == drawn(2)


def test_the_artifact_is_kept_where_weights_are(net: TrainedNet) -> None:
    spec = replace(net.spec, deployment=Int8())
    net.variant(Int8())
    kept = net.weights.with_name(spec.trial_id).with_suffix(".safetensors")
    assert any(tensor.dtype is torch.int8 for tensor in load_file(kept).values())


def test_a_net_of_a_trial_that_has_no_classes_has_no_agreement(tmp_path: Path) -> None:
    numbers = train(tmp_path, Cnn(channels=(4,)), FewDigits(task="regression"))
    result = numbers.variant(Same(), test_loss=None)
    assert result.variant is not None
    assert result.variant.agreement is None and result.variant.max_abs_difference == 0
