"""A line on a terminal's standard error that is there while something goes on, and leaves nothing behind."""

import sys
import time
from typing import Final

import click

from orchestrator.cli.terminal import shown

_APART: Final = 0.25
"""Seconds between two drawings."""
_CLEAR: Final = "\r\x1b[2K"


class TransientLine:
    """Draws nothing where standard error is no terminal."""

    def __init__(self, *, wanted: bool = True) -> None:
        self._draws = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._next, self._is_there = 0.0, False

    def draw(self, text: str) -> None:
        """A few times a second at most."""
        if self._draws and (now := time.monotonic()) >= self._next:
            self._next, self._is_there = now + _APART, True
            click.echo(f"{_CLEAR}{shown(text)}", nl=False, err=True)

    def clear(self) -> None:
        """Before anything else is printed."""
        if self._is_there:
            self._is_there = False
            click.echo(_CLEAR, nl=False, err=True)
