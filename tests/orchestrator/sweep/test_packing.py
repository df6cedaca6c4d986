"""What part of a GPU a trial is given."""

from types import SimpleNamespace
from typing import Any

from orchestrator.engine import Shape
from orchestrator.sweep.queue import CONTEXT_BYTES, MARGIN, MAX_SHARING, Packing

GIB = 2**30


def cell(model: str = "cnn", gpus: float = 1, workers: int = 1, batch_size: int = 64) -> Any:
    protocol = SimpleNamespace(batch_size=batch_size, accumulate=1, precision="fp32")
    level = SimpleNamespace(label="mnist")
    shape = Shape(workers, 1, gpus)
    return SimpleNamespace(shape=shape, protocol=protocol, dataset=level, model=SimpleNamespace(label=model))


def test_a_share_that_is_given_holds_for_all_slots_of_one_worker() -> None:
    packing = Packing(0.25)
    assert packing.shape(cell()) == Shape(1, 1, 0.25)
    assert packing.shape(cell(gpus=0)) == Shape(1, 1, 0)
    assert packing.shape(cell(workers=2)) == Shape(2, 1, 1)
    assert packing.shape(cell(), alone=True) == Shape(1, 1, 1, alone=True)
    assert packing.shape(cell(workers=2), alone=True) == Shape(2, 1, 1)
    assert not packing.measured(cell(), GIB, 80 * GIB)
    assert packing.shape(cell()) == Shape(1, 1, 0.25)


def test_the_first_of_a_family_has_a_device_to_itself_and_the_others_are_placed_by_it() -> None:
    packing = Packing("auto")
    assert packing.shape(cell()).gpus == 1
    peak = int((80 * GIB / 3.5 - CONTEXT_BYTES) / MARGIN)
    assert packing.measured(cell(), peak, 80 * GIB)
    assert packing.shape(cell()).gpus == 1 / 3
    for other in (cell("resnet"), cell(batch_size=128)):
        assert packing.shape(other).gpus == 1
    assert packing.shape(cell(gpus=0)).gpus == 0
    assert packing.shape(cell(workers=2)).gpus == 1


def test_a_share_grows_with_what_is_seen_and_never_shrinks() -> None:
    packing = Packing("auto")
    assert packing.measured(cell(), GIB // 100, 80 * GIB)
    assert packing.shape(cell()).gpus == 1 / MAX_SHARING
    assert packing.measured(cell(), 30 * GIB, 80 * GIB)
    assert packing.shape(cell()).gpus == 1 / 2
    assert not packing.measured(cell(), GIB, 80 * GIB)
    assert packing.shape(cell()).gpus == 1 / 2


def test_what_fills_the_device_stays_alone_on_it() -> None:
    packing = Packing("auto")
    assert not packing.measured(cell(), 70 * GIB, 80 * GIB)
    assert packing.shape(cell()).gpus == 1


def test_without_a_measurement_nothing_changes() -> None:
    packing = Packing("auto")
    assert not packing.measured(cell(), None, 80 * GIB)
    assert not packing.measured(cell(), GIB, None)
    assert packing.shape(cell()).gpus == 1
