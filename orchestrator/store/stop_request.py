"""`orch stop` asks the sweep of a results directory to end: a small file that the sweep looks for."""

import os
from typing import Final, Literal

from orchestrator.errors import UserError
from orchestrator.store.paths import ResultsPaths

Manner = Literal["drain", "now"]
"""drain: what runs is finished. now: what runs is cancelled, as by Ctrl-C."""

_MANNERS: Final[tuple[Manner, ...]] = ("drain", "now")


def ask_to_stop(paths: ResultsPaths, manner: Manner) -> None:
    """For the one who wants the sweep to end. Raises UserError where the directory cannot be written."""
    temporary = paths.stop_request.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(manner, encoding="ascii")
        temporary.replace(paths.stop_request)
    except OSError as error:
        raise UserError(f"cannot ask the sweep in {paths.root} to stop: {error}") from error


def asked_to_stop(paths: ResultsPaths) -> Manner | None:
    """For the sweep."""
    try:
        text = paths.stop_request.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return next((manner for manner in _MANNERS if manner == text), None)
