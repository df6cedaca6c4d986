"""The section `update`: what it asks for, and what is wrong with it."""

from pathlib import Path
from typing import cast

import pytest

from orchestrator.errors import GridError
from orchestrator.grid.reader import read_text
from orchestrator.grid.spec import GridSpec
from orchestrator.grid.updating import policy_name
from trainables.dataset import Dataset

GRID = "name: grid\naxes: {dataset: digits, model: mlp, optimizer: adam}\n"


def read(update: str, more: str = "") -> GridSpec:
    return read_text(f"{GRID}{more}update: {update}\n", Path("grid.yaml"))


def seen(update: str) -> list[int]:
    spec = read(update).update
    assert spec is not None
    return list(spec.seen)


def test_nets_are_those_that_its_policies_ask_for() -> None:
    assert seen("{blocks: 6, policies: never}") == [0]
    assert seen("{blocks: 6, policies: [{periodic: 2}]}") == [0, 2, 4]
    assert seen("{blocks: 13, policies: [{periodic: 4}, {periodic: 6}]}") == [0, 4, 6, 8, 12]
    for waits in ("on_alarm", "on_alarm doubling", "always"):
        assert seen(f"{{blocks: 4, policies: [never, {waits}]}}") == [0, 1, 2, 3]


def test_the_usual_policies_are_those_that_train_something_again() -> None:
    policies = {blocks: read(f"{{blocks: {blocks}}}").update for blocks in (5, 6)}
    few, many = (list(map(policy_name, spec.policies)) for spec in policies.values() if spec is not None)
    assert few == ["never", "on_alarm", "on_alarm doubling", "always"]
    assert many == ["never", "periodic 5", "on_alarm", "on_alarm doubling", "always"]


def test_its_shifts_are_those_of_the_data_option() -> None:
    update = read("{blocks: 8, shift: {name: rotate, to: 45, from: 2}}").update
    option = read_text(
        GRID.replace("digits", "{name: digits, stream: {blocks: 8, shift: {name: rotate, to: 45, from: 2}}}"), Path("g")
    )
    assert update is not None
    assert update.stream == cast(Dataset, next(iter(option.axes.dataset)).config).stream


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ("{blocks: 1}", "update.blocks has to be at least 2, not 1"),
        ("{block: 4}", "unknown key of update 'block'; did you mean blocks?"),
        ("{policies: []}", "update.policies: it is empty; name a policy"),
        ("{policies: [sometimes]}", "has to be one of never, on_alarm, on_alarm doubling, always or a mapping"),
        ("{policies: [never, never]}", "update.policies: it has never twice"),
        ("{policies: [{periodic: 2}, {periodic: 2}]}", "it has periodic 2 twice"),
        ("{policies: {periodic: 0}}", "update.policies.periodic has to be at least 1, not 0"),
        (
            "{blocks: 5, policies: [never, {periodic: 5}]}",
            "3:50: of 5 blocks the last that a net can learn from is block 3",
        ),
        ("{alpha: 1}", "update.alpha has to be less than 1, not 1"),
        ("{shift: {name: fog}}", "update.shift: fog needs a severity"),
        (
            "{blocks: 3, shift: {name: fog, severity: 1, from: 3}}",
            "fog is from block 3, but the stream has blocks 0 to 2",
        ),
        ("always", "update has to be a mapping with keys such as blocks, shift, policies"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(update: str, message: str) -> None:
    with pytest.raises(GridError, match=message):
        read(update)


def test_what_is_tuned_is_not_trained_again() -> None:
    tuning = "tuning: {search: random, trials: 2, space: {optimizer.lr: [0.001, 0.1, log]}}\n"
    with pytest.raises(GridError, match="4:9: what is tuned for some pictures is not tuned for those that come later"):
        read("{blocks: 3}", tuning)


def test_without_it_nothing_comes_after_training() -> None:
    assert read_text(GRID, Path("grid.yaml")).update is None
    assert read("null").update is None
