"""What holds for every test."""

import os
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.hearing import hear_signals

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    hear_signals()
    # Ray gives its workers the niceness 15: beside two other processes that test they would hardly ever run
    os.environ.setdefault("RAY_worker_niceness", "0")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> "OneRayAtATime":
    return OneRayAtATime(config, log)


class OneRayAtATime(LoadScopeScheduling):
    """Where several processes test: each file in one of them, and those that start a Ray one after another.

    Tests of a file share what is made once for all of it. `--dist loadgroup` with marks does nothing under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "ray" if _starts_a_ray(file) else file


@cache
def _starts_a_ray(file: str) -> bool:
    return "pytest.mark.ray" in (ROOT / file).read_text(encoding="utf-8")
