"""Some cases of every fault that a sweep in one process can meet, and the first of those that take a Ray.

The long form is `make chaos MINUTES=60`; what it has counted is in docs/chaos.md.
"""

from pathlib import Path
from random import Random

import pytest

from tests.chaos.faults import FAULTS, INLINE
from tests.chaos.lab import Labs
from tests.marks import slow_but

CASES = {
    "kill-driver": 6,
    "kill-driver-paced": 2,
    "kill-at-call": 5,
    "kill-within-write": 3,
    "call-fails": 5,
    "disk-full-from-call": 2,
    "file-size-limit": 2,
    "signals": 6,
    "race": 2,
}
"""How many of each; one of the others."""
QUICK = ("kill-at-call", "kill-within-write", "disk-full-from-call", "race")


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Labs:
    """They share the undisturbed runs."""
    return Labs(tmp_path_factory.mktemp("chaos"))


def strike(labs: Labs, name: str, times: int) -> None:
    fault = FAULTS[name]
    probe = labs.root / "probe"
    probe.mkdir(exist_ok=True)
    if not fault.needs(Path(probe)):
        pytest.skip("this machine or user cannot do it")
    for number in range(times):
        fault.run(labs.lab(name, fault.grid, pace=fault.pace), Random(f"{name}:{number}"), number)


@pytest.mark.parametrize("name", slow_but(QUICK, [fault.name for fault in INLINE]))
def test_a_sweep_in_one_process_loses_nothing(labs: Labs, name: str) -> None:
    strike(labs, name, CASES.get(name, 1))


@pytest.mark.ray
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ray-kill-driver", marks=pytest.mark.slow),
        pytest.param(
            "ray-bad-trials", marks=pytest.mark.chaos
        ),  # it times its faults: nothing for a machine that is busy
        pytest.param("ray-holds-the-gil", marks=pytest.mark.chaos),  # a minute more
    ],
)
def test_a_sweep_on_ray_loses_nothing(labs: Labs, name: str) -> None:
    strike(labs, name, 1)
