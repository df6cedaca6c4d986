"""A trial's identity: the same for the same configuration, for ever."""

import json
from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from trainables.component import AddedLater, Component, NotIdentity
from trainables.protocol import Protocol
from trainables.registry import registry
from trainables.spec import TrialSpec, derived_seeds

GOLDEN = json.loads((Path(__file__).parent / "golden_ids.json").read_text())
"""Ids of published configurations. One that changes makes every earlier result unreachable: never edit a line here."""


def part(kind, level):
    level = {"name": level} if isinstance(level, str) else level
    return registry.get(kind, level["name"]).from_parameters({k: v for k, v in level.items() if k != "name"})


def spec_of(described):
    return TrialSpec(
        dataset=part("dataset", described["dataset"]),
        model=part("model", described["model"]),
        optimizer=part("optimizer", described["optimizer"]),
        regularizers=tuple(part("regularizer", level) for level in described["regularizer"]),
        protocol=Protocol.from_parameters(described["protocol"]),
        seed=described["seed"],
        fingerprint=described["fingerprint"],
    )


@pytest.mark.parametrize("described", GOLDEN, ids=lambda described: described["trial_id"])
def test_ids_of_published_configurations_hold(described):
    assert spec_of(described).trial_id == described["trial_id"]


def changed(described, **changes):
    return spec_of({**described, **changes}).trial_id


def test_every_part_of_the_configuration_is_in_the_id():
    base = GOLDEN[0]
    others = {
        changed(base, seed=base["seed"] + 1),
        changed(base, fingerprint="0" * 32),
        changed(base, model={"name": "mlp", "hidden": [64]}),
        changed(base, optimizer={"name": "sgd", "lr": 0.2}),
        changed(base, regularizer=[{"name": "dropout", "p": 0.25}]),
        changed(base, protocol={**base["protocol"], "precision": "bf16"}),
        changed(base, protocol={**base["protocol"], "splits": {"validation": 0.2}}),
    }
    assert len(others) == 7
    assert base["trial_id"] not in others


def test_what_does_not_change_the_result_is_not_in_the_id():
    base = GOLDEN[0]
    limited = {**base["protocol"], "trial_timeout": "2h", "keep_weights": "best"}
    assert changed(base, protocol=limited) == base["trial_id"]


def test_defaults_are_filled_in_and_numbers_are_typed():
    base = {**GOLDEN[0], "optimizer": {"name": "sgd", "lr": 1}}
    assert changed(base, optimizer={"name": "sgd", "lr": 1.0, "momentum": 0.0}) == spec_of(base).trial_id


class Before(Component):
    role: ClassVar[str] = "model"
    name: ClassVar[str] = "grown"
    width: int = 1


class Grown(Before):
    bias: Annotated[bool, AddedLater(keeps=True)] = False
    path: Annotated[str, NotIdentity()] = ""


def test_a_parameter_added_later_keeps_old_ids_at_the_value_that_keeps_the_old_behaviour():
    assert Grown(bias=True, path="anywhere").digest() == Before().digest()
    assert Grown().digest() != Before().digest()


def test_streams_are_independent_and_reproducible():
    seeds = derived_seeds(0)
    assert len({seeds.split, seeds.init, seeds.shuffle, seeds.augment}) == 4
    assert derived_seeds(0) == seeds != derived_seeds(1)
    assert min(seeds.split, seeds.init, seeds.shuffle, seeds.augment) >= 0 and max(seeds.split, seeds.init) < 2**63
