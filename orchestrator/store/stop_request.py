"""`orch stop` asks the sweep of a results directory to end: a small file that the sweep looks for."""

from typing import Final, Literal

from orchestrator.errors import UserError
from orchestrator.store.files import replace_durably
from orchestrator.store.paths import ResultsPaths
from trainables.regular_file import read_regular

Manner = Literal["drain", "now"]
"""drain: what runs is finished. now: what runs is cancelled, as by Ctrl-C."""

_MANNERS: Final[tuple[Manner, ...]] = ("drain", "now")
_LONGEST: Final = 16
"""Bytes of a request, and more than one has."""


def ask_to_stop(paths: ResultsPaths, manner: Manner) -> None:
    """For the one who wants the sweep to end. Raises UserError where the directory cannot be written."""
    try:
        replace_durably(paths.stop_request, manner.encode())
    except OSError as error:
        raise UserError(f"cannot ask the sweep in {paths.root} to stop: {error}") from error


def asked_to_stop(paths: ResultsPaths) -> Manner | None:
    """For the sweep."""
    try:
        text = read_regular(paths.stop_request, _LONGEST)
    except OSError:
        return None
    return next((manner for manner in _MANNERS if manner.encode() == text), None)
