"""Kept weights of a net that begins with published ones: what they lack is what was published, bit for bit."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.errors import WeightsError
from trainables.models.mlp import Mlp
from trainables.models.pretrained import efficientnet_lite0
from trainables.models.pretrained.base import Pretrained
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.records import TrialResult
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask
from trainables.training.trial import run_trial
from trainables.training.weights_origin import WeightsOrigin, lacks_backbone, origin_of, without_backbone

CPU = torch.device("cpu")


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    torch.set_num_threads(1)
    return DataLocation(data=None, beside=tmp_path, cache=tmp_path / "cache")


def of(component: str, **parameters: object) -> Pretrained:
    made = registry.get("model", f"pretrained:{component}").from_parameters(parameters)
    assert isinstance(made, Pretrained)
    return made


def lite(place: DataLocation, **parameters: object) -> Pretrained:
    return of("efficientnet_lite0", size=32, **parameters).located(place)


def trained(place: DataLocation, model: Pretrained, weights: Path | None, lr: float = 0.01) -> TrialResult:
    digits = registry.get("dataset", "digits").from_parameters({"per_class": 12})
    protocol = Protocol.from_parameters({"epochs": 1, "keep_weights": "best"})
    spec = TrialSpec(digits, model, Adam(lr=lr), (), protocol, 0, digits.fingerprint(place))
    return run_trial(TrialTask("t", 1, spec, place, weights), SingleContext(CPU, lambda row: None))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrialResult]:
    """The weights that a trial with a frozen backbone has kept, and what came of it."""
    folder = tmp_path_factory.mktemp("kept")
    place = DataLocation(data=None, beside=folder, cache=folder / "cache")
    torch.set_num_threads(1)
    return folder / "head.safetensors", trained(place, lite(place), folder / "head.safetensors")


@pytest.fixture
def head(kept: tuple[Path, TrialResult], tmp_path: Path) -> Path:
    """Beside a grid."""
    return Path(shutil.copy(kept[0], tmp_path))


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


def test_a_frozen_backbone_is_named_and_not_kept_and_predicts_as_it_did(
    place: DataLocation, tmp_path: Path, head: Path, kept: tuple[Path, TrialResult]
) -> None:
    path, model, (_, first) = head, lite(place), kept
    names = set(load_file(path))
    assert path.stat().st_size < 100_000  # of 14 MB
    assert {"net.head.weight", "net.head.bias"} <= names and not any("blocks" in name for name in names)
    assert lacks_backbone(metadata(path)) and origin_of(metadata(path)) is not None
    assert (
        "efficientnet_lite0" in metadata(path)["orch_backbone"]
        and str(model.content) in metadata(path)["orch_backbone"]
    )
    again = of("safetensors", weights="head.safetensors").located(place)
    second = trained(place, again, tmp_path / "again.safetensors", lr=1e-12)
    assert first.test is not None and second.test is not None
    assert second.test.accuracy == first.test.accuracy
    assert second.test.loss == pytest.approx(first.test.loss, abs=1e-4)
    whole = load_file(tmp_path / "again.safetensors")  # what begins with a user's file leaves nothing out
    assert any("blocks" in name for name in whole) and not lacks_backbone(metadata(tmp_path / "again.safetensors"))


@pytest.mark.parametrize("parameters", [{"tune": "all"}, {"weights": "none"}])
def test_what_has_learned_or_was_never_published_is_kept(
    place: DataLocation, tmp_path: Path, parameters: dict[str, str]
) -> None:
    path = tmp_path / "kept.safetensors"
    trained(place, lite(place, **parameters), path)
    kept = load_file(path)
    published = lite(place).backbone()
    weights = {name for name, tensor in published.items() if tensor.ndim > 1}
    assert len(weights) > 40 and weights <= kept.keys()
    assert "tune" in parameters or not lacks_backbone(metadata(path))


def test_an_earlier_file_that_is_whole_is_read(place: DataLocation, tmp_path: Path, head: Path) -> None:
    model = lite(place)
    whole = {**model.backbone(), **load_file(head)}
    kept = {key: value for key, value in metadata(head).items() if key != "orch_backbone"}
    save_file({name: tensor.contiguous() for name, tensor in whole.items()}, tmp_path / "whole.safetensors", kept)
    results = [
        trained(place, of("safetensors", weights=f"{name}.safetensors").located(place), None, lr=1e-12)
        for name in ("head", "whole")
    ]
    assert results[0].test == results[1].test


def test_a_file_that_lacks_what_nobody_published_is_refused(place: DataLocation, tmp_path: Path, head: Path) -> None:
    tensors, said = load_file(head), metadata(head)

    def refused(model: object, match: str) -> None:
        origin = WeightsOrigin(model=model, shape=(1, 8, 8), mean=(0.3,), std=(0.4,))  # type: ignore[arg-type]
        save_file(tensors, tmp_path / "other.safetensors", {**origin.metadata(), **without_backbone(Mlp())})
        with pytest.raises(WeightsError, match=match):
            of("safetensors", weights="other.safetensors").located(place)

    refused(Mlp(), "lacks weights that mlp publishes none of")
    refused(lite(place, weights="none"), "lacks weights that pretrained:efficientnet_lite0 publishes none of")
    itself = of("safetensors", weights=str(tmp_path / "other.safetensors"))
    refused(itself, "publishes none of")
    refused(lite(place).model_copy(update={"content": "another-content"}), "another-content")
    assert lacks_backbone(said)


def test_a_backbone_that_is_not_installed_is_said_before_anything_runs(
    place: DataLocation, head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def absent() -> Path:
        raise WeightsError("it is the extra `pretrained`")

    monkeypatch.setattr(efficientnet_lite0, "_package_file", absent)
    with pytest.raises(WeightsError, match="the extra `pretrained`"):
        of("safetensors", weights="head.safetensors").located(place)


def test_another_model_keeps_all_of_its_state(place: DataLocation) -> None:
    model = Mlp(hidden=(4,))
    digits = registry.get("dataset", "digits").from_parameters({})
    module = model.build(digits.info(place), 10)
    assert model.kept_state(module).keys() == module.state_dict().keys()
