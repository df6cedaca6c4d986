"""What holds for every test."""

import pytest

from tests.hearing import hear_signals


def pytest_configure() -> None:
    hear_signals()


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes test: one Ray at a time, and a file in one process, with what is made once for all of it."""
    for item in items:
        of_ray = item.get_closest_marker("ray") is not None
        item.add_marker(pytest.mark.xdist_group("ray" if of_ray else str(item.path.relative_to(item.config.rootpath))))
