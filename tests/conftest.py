"""What holds for every test."""

from tests.hearing import hear_signals


def pytest_configure() -> None:
    hear_signals()
