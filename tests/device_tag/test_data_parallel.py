"""Trials of two workers on GPUs that are tags, over a real process group: no step asks the other worker for more than the
gradients, and none waits."""

import json
import os
from typing import Any

import pytest

from tests.device_tag.allowed_waits import IN_STEPS
from tests.device_tag.rank import MORE, PLANTED
from tests.device_tag.test_checkpoints import TRIALS
from tests.device_tag.waits import ROOT, Site
from tests.forks import Fork

RESUMED = ("noisy", "sgan", "range")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank has found."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ranks = [Fork(ROOT, ["-m", "tests.device_tag.rank", str(rank), folder], environment) for rank in range(2)]
    try:
        said = [rank.communicate(timeout=240) for rank in ranks]
        return [json.loads(output.splitlines()[-1]) for output, _ in said]
    finally:
        for rank in ranks:
            rank.kill()


@pytest.mark.parametrize("name", [*TRIALS, *MORE, *(f"{name}, resumed" for name in RESUMED)])
def test_it_trains_on_one_device_and_waits_only_where_it_may(name: str, found: list[dict[str, Any]]) -> None:
    for rank in found:
        ran = rank["tagged"][name]
        assert ran["mismatches"] == []
        assert ran["ended"] == "completed" and ran["steps"] >= 3
        allowed = IN_STEPS.get(name.partition(",")[0], {})
        assert {Site(*wait[:2]) for wait in ran["waits"]} == set(allowed), ran["waits"]
        assert ran["losses"] == found[0]["tagged"][name]["losses"], "the ranks agree"


@pytest.mark.parametrize("name", RESUMED)
def test_two_workers_go_on_bit_for_bit(name: str, found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert rank["tagged"][f"{name}, cut off"]["ended"] == "cut off"
        assert rank["tagged"][f"{name}, resumed"]["losses"] == rank["tagged"][name]["losses"]


def test_losses_are_those_of_two_workers_on_the_cpu(found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert rank["cpu"] == {name: rank["tagged"][name]["losses"] for name in ("plain", "noisy", "in parts")}


def test_a_collective_of_a_tensor_of_the_cpu_is_found(found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert len(rank[PLANTED]) == 1 and "all_reduce of a tensor on the CPU" in rank[PLANTED][0]
