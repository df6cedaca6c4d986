"""What a trial has read goes when the next trial reads something else: a slot holds one data set, not one for each seed."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainables.stages.nets import CPU
from trainables.context import SingleContext
from trainables.data.batches import Batches
from trainables.dataset import DataLocation
from trainables.datasets.digits import Digits
from trainables.interfaces import Model, Regularizer
from trainables.models.mlp import Mlp
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask
from trainables.stages.run import run_task
from trainables.training.prepare import prepared

NAMED = [
    ("model", "mlp", {}),
    ("model", "cnn", {"channels": [4], "attention": "se"}),
    ("model", "lstm", {"hidden": 4}),
    ("model", "vit", {}),
    ("model", "sgan", {}),
    ("regularizer", "augment", {"crop": 1}),
    ("regularizer", "mixup", {}),
    ("regularizer", "gan_augment", {}),
]


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which comes rarely and knows nothing of the memory of a device."""
    prepared.cache_clear()
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("role", "name", "given"), NAMED, ids=[name for _, name, _ in NAMED])
def test_nothing_is_left_of_the_data_of_a_trial(role: str, name: str, given: dict[str, object], tmp_path: Path) -> None:
    place = DataLocation(None, None, tmp_path)
    dataset, protocol = Digits(per_class=10), Protocol(epochs=1)
    component = registry.get(role, name).from_parameters(given)
    model = component if isinstance(component, Model) else Mlp()
    regularizers = (component,) if isinstance(component, Regularizer) else ()
    spec = TrialSpec(dataset, model, Adam(), regularizers, protocol, 0, dataset.fingerprint(place))
    result = run_task(TrialTask(spec.trial_id, 1, spec, place, None), SingleContext(CPU, lambda row: False))
    assert result.status == "completed", result.reason
    assert any(issubclass(type(each), Batches) for each in gc.get_objects()), (
        "the next trial of this seed reads them again"
    )
    prepared.cache_clear()
    assert not [each for each in gc.get_objects() if issubclass(type(each), Batches)]
