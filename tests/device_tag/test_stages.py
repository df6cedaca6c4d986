"""What is done with a trained net, on a GPU that is a tag: what is made of it, and what is measured of it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.device_tag.trials import Ran, tagged
from tests.trainables.stages.nets import TrainedNet, train
from tests.trainables.test_contract import made, names
from trainables.datasets.digits import Digits
from trainables.deployments.distil import Distil
from trainables.deployments.int8 import Int8
from trainables.deployments.prune import Prune
from trainables.interfaces import Deployment, Measurement
from trainables.measurements.explain import Explain
from trainables.models.cnn import Cnn
from trainables.spec import ParentTrial, TrialTask

TRACED = ("export",)
"""Made by running the net on tensors without values, which carry no tag."""
SMALLER: dict[str, dict[str, Any]] = {
    "attack": {"eps": [0.1], "steps": 2},
    "corrupt": {"severities": [2]},
    "drift": {"windows": [20], "shifts": ["brightness"], "severities": [3]},
    "explain": {"pictures": 8, "baseline": "black"},
}
"""Parameters of measurements that take long with their defaults."""
OF_A_STREAM = ("prequential",)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return train(tmp_path_factory.mktemp("net"), Cnn(channels=(4,), hidden=(8,)), Digits(), epochs=1)


@pytest.fixture(scope="module")
def net_of_a_stream(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    data = Digits.from_parameters({"stream": {"blocks": 4, "shift": {"name": "rotate", "to": 45}}})
    return train(tmp_path_factory.mktemp("stream"), Cnn(channels=(4,), hidden=(8,)), data, epochs=1)


def done_with(net: TrainedNet, stage: Deployment | Measurement) -> Ran:
    assert net.result.test is not None
    parent = ParentTrial(net.spec.trial_id, net.weights, getattr(net.result.test, "cross_entropy", None))
    if isinstance(stage, Measurement):
        task = TrialTask("0" * 16, 1, net.spec, net.place, None, parent=parent, measurement=stage)
    else:
        spec = replace(net.spec, deployment=stage)
        task = TrialTask(spec.trial_id, 1, spec, net.place, net.weights.with_name(spec.trial_id), parent=parent)
    return tagged(task)


@pytest.mark.parametrize("name", [name for name in names("deployment") if name not in TRACED])
def test_another_net_is_made_of_it(name: str, net: TrainedNet) -> None:
    deployment = made("deployment", name)
    assert isinstance(deployment, Deployment)
    ran = done_with(net, deployment)
    assert ran.mismatches == [] and ran.completed, ran.ended


@pytest.mark.parametrize("name", names("measurement"))
def test_it_is_measured(name: str, net: TrainedNet, net_of_a_stream: TrainedNet) -> None:
    measurement = made("measurement", name, **SMALLER.get(name, {}))
    assert isinstance(measurement, Measurement)
    ran = done_with(net_of_a_stream if name in OF_A_STREAM else net, measurement)
    assert ran.mismatches == [] and ran.completed, ran.ended


@pytest.mark.parametrize(
    "stage",
    [
        Explain(pictures=8, baseline="mean"),
        Int8(kind="static"),
        Int8(kind="qat", epochs=2),
        Prune(structure="channels", epochs=2),
        Distil.from_parameters({"student": "mlp", "epochs": 2}),
    ],
    ids=lambda stage: stage.name,
)
def test_other_ways_of_it_too(stage: Deployment | Measurement, net: TrainedNet) -> None:
    ran = done_with(net, stage)
    assert ran.mismatches == [] and ran.completed, ran.ended
    assert ran.sites == set(), str(ran.steps)
    if getattr(stage, "epochs", 1) > 1:
        assert ran.steps.steps > 10, "it has learnt on"
