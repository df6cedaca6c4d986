"""Stages after a trial whose pictures are decoded while they are used: in colours, and never in memory whole."""

import numpy as np
import pytest
from PIL import Image

from tests.trainables.measurements.measured import measure
from tests.trainables.stages.nets import TrainedNet, train
from trainables.datasets.imagenet import Imagenet
from trainables.deployments.export import Export
from trainables.deployments.int8 import Int8
from trainables.deployments.prune import Prune
from trainables.interfaces import Deployment, Measurement
from trainables.measurements.attack import Attack
from trainables.measurements.corrupt import Corrupt
from trainables.measurements.drift import Drift
from trainables.measurements.explain import Explain
from trainables.measurements.groups import Groups
from trainables.models.cnn import Cnn


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    """A net that tells red from blue pictures of 12 x 12 pixels."""
    folder = tmp_path_factory.mktemp("streamed")
    random = np.random.default_rng(0)
    for split, count in (("train", 160), ("val", 40)):
        for place, colour in ((0, "red"), (2, "blue")):
            (folder / "imagenet" / split / colour).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 120, (14, 14, 3), np.uint8)
                pixels[..., place] += np.uint8(90)
                Image.fromarray(pixels).save(folder / "imagenet" / split / colour / f"{number}.png")
    return train(folder, Cnn(channels=(4, 8)), Imagenet(size=(12, 12)), data_folder=folder, epochs=2)


@pytest.mark.parametrize(
    "measurement",
    [
        Attack(eps=(0.1,), steps=3),
        Corrupt(severities=(2,)),
        Drift(detectors=("bbsd",), windows=(20,), shifts=("brightness",), severities=(3,)),
        Explain(pictures=8),
        Groups(by=("class", "brightness", "contrast", "confidence")),
    ],
    ids=lambda measurement: measurement.name,
)
def test_it_is_measured(streamed: TrainedNet, measurement: Measurement) -> None:
    result = measure(streamed, measurement)
    assert result.status == "completed" and result.headlines is not None
    assert dict(result.headlines.found())


@pytest.mark.parametrize("deployment", [Int8(kind="static"), Prune(amount=0.5)], ids=lambda level: level.name)
def test_another_net_is_made_of_it(streamed: TrainedNet, deployment: Deployment) -> None:
    assert streamed.variant(deployment).status == "completed"


@pytest.mark.parametrize("format", ["onnx", "torch_export"])
def test_it_is_exported_with_the_same_answers(streamed: TrainedNet, format: str) -> None:
    if format == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    result = streamed.variant(Export.from_parameters({"format": format}))
    assert result.variant is not None and result.variant.agreement == 1.0
