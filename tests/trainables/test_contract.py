"""What every component keeps to, whoever wrote it: the registry is asked for all of them.

A component that is added is found here by itself, be it a file, a member of a namespace or a plug-in that is installed.
"""

import pickle
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import PrivateAttr
from safetensors.torch import load_file
from torch import nn

from tests.marks import slow_but
from tests.trainables.few import FewDigits
from tests.trainables.stages.nets import train
from tests.trainables.test_plugin import install, python
from trainables import KINDS
from trainables.component import Component
from trainables.context import SingleContext
from trainables.dataset import DataInfo, DataLocation, Dataset
from trainables.errors import DataError, DataMissing, TrialCancelled
from trainables.interfaces import Deployment, Model, Optimizer, Regularizer
from trainables.models.mlp import Mlp
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol, Schedule, Splits
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask, derived_seeds
from trainables.training.trial import run_trial

CPU: Final = torch.device("cpu")
DATA: Final = (FewDigits(), FewDigits(side=16, frames=4), FewDigits(side=32, channels=3))
"""A model is tried on the first that it supports."""
OTHERS: Final = ("mlp", "cnn", "resnet", "vit", "frame_average")
"""Models for the other kinds of component: the first that goes with it."""
SAMPLE: Final = {
    "torchvision": ("resnet18", "shufflenet_v2_x0_5"),
    "pretrained": ("efficientnet_lite0", "resnet18", "safetensors"),
}
"""Members that stand for their namespace; the first two where it is not named here."""
_UNTRAINED: Final = {"weights": "none", "tune": "all", "size": 32}
GIVEN: Final[dict[str, dict[str, Any]]] = {
    "gan_augment": {"steps": 20},
    "distil": {"student": "mlp"},
    "pretrained:efficientnet_lite0": _UNTRAINED,
    "pretrained:resnet18": _UNTRAINED,
    "pretrained:safetensors": {"weights": "earlier.safetensors", "tune": "all"},
}
"""Parameters of components whose defaults take minutes, a download or a file."""


def names(kind: str) -> list[str]:
    members = [
        f"{namespace.prefix}:{member}"
        for namespace in registry.namespaces(kind)
        for member in SAMPLE.get(namespace.prefix, namespace.members()[:2])
    ]
    return [*registry.names(kind), *members]


def made(kind: str, name: str, **parameters: Any) -> Component:
    """A component with its defaults; what has to be given is the first thing that it takes."""
    component = registry.get(kind, name)
    parameters = GIVEN.get(name, {}) | parameters
    required = [key for key, field in component.model_fields.items() if field.is_required() and key not in parameters]
    schema = component.model_json_schema()["properties"]
    tried = [[*schema[key].get("enum", ()), 1, 0.5, [1], "images"] for key in required]
    for values in product(*tried):
        try:
            return component.from_parameters({**parameters, **dict(zip(required, values, strict=True))})
        except ValueError as refused:
            error = refused
    raise error


ALL: Final = [(kind, name) for kind in KINDS for name in names(kind)]
LEARNING: Final = [(kind, name) for kind, name in ALL if kind in ("model", "optimizer")]


def is_small(name: str) -> bool:
    """The others take long; of a namespace a smaller member is tried by default."""
    return name not in ("torchvision:resnet18", "pretrained:resnet18", "pretrained:efficientnet_lite0", "densenet")


class Watch(Regularizer):
    """Keeps the module that is trained, and ends training when it knows the examples by heart."""

    name: ClassVar[str] = "watch"
    enough: float = 2.0
    """Training accuracy."""
    _seen: list[nn.Module] = PrivateAttr(default_factory=list)

    def on_model(self, module: nn.Module) -> None:
        self._seen.append(module)

    def should_stop(self, history: Sequence[EpochRow]) -> bool:
        return (history[-1].train_accuracy or 0) >= self.enough

    @property
    def module(self) -> nn.Module:
        return self._seen[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    """Some images as users keep them, and nothing else: what a data set downloads is not there."""
    data = tmp_path_factory.mktemp("data")
    write_files(data)
    place = DataLocation(data=data, beside=None, cache=tmp_path_factory.mktemp("cache"))
    run(place, spec_of(place, Mlp(), Watch(), keep_weights="best"), data / "earlier.safetensors")
    return place


def write_files(data: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    lines = ["image,label"]
    for label, index in product(range(3), range(20)):
        for path in (f"images/{label}/{index}.png", *(f"clips/{label}/{index}/{frame}.png" for frame in range(4))):
            pixels = generator.integers(0, 255, (12, 12, 3), np.uint8)
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(data / path)
        lines.append(f"images/{label}/{index}.png,{label}")
        rows.append({"image": (data / f"images/{label}/{index}.png").read_bytes(), "label": label})
    pq.write_table(pa.Table.from_pylist(rows), data / "images.parquet")
    (data / "images.csv").write_text("\n".join(lines))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def spec_of(place: DataLocation, component: Component, watch: Watch, **settings: Any) -> TrialSpec:
    """A trial around a component: small data, an mlp, Adam."""
    dataset: Dataset = FewDigits()
    model: Model = Mlp()
    optimizer: Optimizer = Adam()
    regularizers: tuple[Regularizer, ...] = ()
    match component:
        case Dataset():
            dataset = component
            model = next(model for model in others() if model.unsupported_reason(component.info(place)) is None)
        case Model():
            model = component.located(place) if hasattr(component, "located") else component  # one that reads files
            dataset = next(data for data in DATA if model.unsupported_reason(data.info(place)) is None)
        case Optimizer():
            optimizer = component
        case Regularizer():
            model = next(
                model for model in others() if component.unsupported_reason(dataset.info(place), model) is None
            )
            regularizers = (component,)
        case Schedule():
            settings["schedule"] = component
        case _:
            dataset = FewDigits(task=component.name)
    fingerprint = dataset.fingerprint(place)
    protocol = Protocol(**{"epochs": 1, "batch_size": 22, "splits": Splits(validation=0.2), **settings})
    return TrialSpec(dataset, model, optimizer, (*regularizers, watch), protocol, seed=0, fingerprint=fingerprint)


def others() -> Iterator[Model]:
    for name in OTHERS:
        if name in registry.names("model"):
            model = made("model", name)
            assert isinstance(model, Model)
            yield model


def run(place: DataLocation, spec: TrialSpec, weights: Path | None = None) -> tuple[TrialResult, list[EpochRow]]:
    rows: list[EpochRow] = []
    trial_task = TrialTask(spec.trial_id, attempt=1, spec=spec, location=place, weights=weights)
    return run_trial(trial_task, SingleContext(CPU, rows.append)), rows


def first_weights(spec: TrialSpec, data: DataInfo) -> nn.Module:
    torch.manual_seed(derived_seeds(spec.seed).init)
    return spec.model.build(data, max(1, len(data.classes)))


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_its_configuration_round_trips(kind: str, name: str) -> None:
    component = made(kind, name)
    again = registry.get(kind, name).from_parameters(component.parameters())
    assert again == component
    assert again.digest() == component.digest()
    assert pickle.loads(pickle.dumps(component)) == component
    assert component.role == kind and component.name == name


OF_A_TRAINED_NET = ("deployment", "measurement")
"""Kinds that take no steps."""


@pytest.mark.parametrize(
    ("kind", "name"), [each for each in ALL if each[0] not in ("dataset", "model", *OF_A_TRAINED_NET)]
)
def test_it_takes_three_steps(kind: str, name: str, place: DataLocation) -> None:
    component = made(kind, name)
    spec = spec_of(place, component, Watch())
    if isinstance(component, Optimizer) and (reason := refusal(component, spec, place)):
        assert name in reason  # no model of images goes with it, and it says so
        return
    result, rows = run(place, spec)
    assert result.status == "completed"
    assert len(rows) == 1 and np.isfinite(rows[0].train_loss)


def refusal(optimizer: Optimizer, spec: TrialSpec, place: DataLocation) -> str | None:
    return optimizer.unsupported_reason(spec.dataset.info(place), spec.model, spec.regularizers)


@pytest.mark.parametrize("name", slow_but([*filter(is_small, names("model"))], names("model")))
def test_a_model_takes_three_steps_and_its_kept_weights_predict_the_same(
    name: str, place: DataLocation, tmp_path: Path
) -> None:
    model, watch = made("model", name), Watch()
    spec = spec_of(place, model, watch, keep_weights="best")
    result, rows = run(place, spec, tmp_path / "weights.safetensors")
    assert result.status == "completed" and np.isfinite(rows[0].train_loss)
    kept, data = load_file(tmp_path / "weights.safetensors"), spec.dataset.info(place)
    inputs = torch.rand(5, *data.shape)
    fresh = first_weights(spec, data).eval()
    before = fresh(inputs)
    assert result.costs.parameters == sum(part.numel() for part in fresh.parameters() if part.requires_grad)
    fresh.load_state_dict(kept)
    predicted = fresh(inputs)
    assert predicted.shape == (5, 8)
    torch.testing.assert_close(predicted, watch.module.eval()(inputs), atol=1e-5, rtol=1e-4)
    assert not torch.equal(predicted, before), "three steps have changed nothing"


@pytest.mark.parametrize("name", names("deployment"))
def test_a_deployment_makes_the_same_of_a_trained_net_again(name: str, tmp_path: Path) -> None:
    deployment, net = made("deployment", name), train(tmp_path, epochs=2)
    assert isinstance(deployment, Deployment)
    first, again = net.variant(deployment), net.variant(deployment)
    assert first.status == "completed" and first.variant is not None and first.test is not None
    assert np.isfinite(first.test.loss) and first.variant.artifact_bytes > 0
    assert (first.val, first.test, first.variant.artifact_bytes) == (
        *(again.val, again.test, again.variant.artifact_bytes if again.variant else None),
    )


@pytest.mark.parametrize("name", names("dataset"))
def test_a_data_set_is_read_and_learnt_from_or_says_what_is_missing(name: str, place: DataLocation) -> None:
    dataset = made("dataset", name)
    assert isinstance(dataset, Dataset)
    if "path" in type(dataset).model_fields:
        dataset = readable(type(dataset), place)
    try:
        info = dataset.info(place)
    except DataMissing as missing:
        assert name in str(missing)
        return
    checks = 0

    def three_steps_are_taken() -> bool:
        nonlocal checks
        checks += 1
        return checks > 3

    spec = spec_of(place, dataset, Watch(), batch_size=8)
    trial_task = TrialTask(spec.trial_id, attempt=1, spec=spec, location=place, weights=None)
    with pytest.raises(TrialCancelled):
        run_trial(trial_task, SingleContext(CPU, print, cancelled=three_steps_are_taken))
    assert info.shape == dataset.load(place).inputs.shape[1:]


def readable(dataset: type[Dataset], place: DataLocation) -> Dataset:
    """The data set on the files that it can read of those that are there."""
    for path in ("images", "images.parquet", "images.csv", "clips"):
        try:
            found = dataset.from_parameters({"path": path}).located(place)
            found.load(place)
        except (DataError, ValueError) as refused:
            error = refused
        else:
            return found
    raise error


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(kind, name, marks=() if is_small(name) else pytest.mark.slow) for kind, name in LEARNING],
)
def test_it_learns_64_examples_by_heart(kind: str, name: str, place: DataLocation) -> None:
    component = made(kind, name)
    # whole batches for the optimizers: some take nothing else
    settings = {"epochs": 300, "batch_size": 64} if kind == "optimizer" else {"epochs": 60, "batch_size": 16}
    spec = spec_of(place, component, Watch(enough=0.95), **settings)
    if isinstance(component, Optimizer) and refusal(component, spec, place):
        return
    result, rows = run(place, spec)
    assert result.sizes.train_size == 64
    assert rows[-1].train_accuracy is not None and rows[-1].train_accuracy >= 0.95


def test_an_installed_plugin_is_found_and_keeps_to_it_too(tmp_path: Path) -> None:
    install(tmp_path)
    ended = python(tmp_path, "-m", "pytest", "-v", "-k", "brightness or probe", "-p", "no:cacheprovider", __file__)
    assert ended.returncode == 0, ended.stdout
    for test in ("round_trips[dataset-brightness]", "round_trips[regularizer-probe]", "three_steps[regularizer-probe]"):
        assert f"{test} PASSED" in ended.stdout
    assert "says_what_is_missing[brightness] PASSED" in ended.stdout
