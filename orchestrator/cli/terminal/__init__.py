"""All that a command prints goes through here: without secrets, and without what could steer a terminal."""

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

import click

from orchestrator.text import clean, masked

if TYPE_CHECKING:
    from rich.console import Console


def shown(text: object) -> str:
    """A text of any origin as it may be printed."""
    return clean(masked(str(text)))


def say(text: object, *, err: bool = False, before: str = "") -> None:
    """Print a line, or several. before: our own styled words, printed as they are."""
    click.echo(f"{before}{shown(text)}", err=err)


def console(file: IO[str], width: int | None = 10_000) -> "Console":
    """A console for tables and live displays on a stream. rich reads NO_COLOR, COLUMNS and a terminal's width itself.

    width: of a stream that is no terminal; what is piped on is not cut.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class CleanConsole(Console):
        """Cleans what is to be printed; the console's own styles are added to it later."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(shown(segment.text), segment.style)

    return CleanConsole(file=file, width=None if file.isatty() else width, highlight=False)
