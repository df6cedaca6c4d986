"""A figure in the style of papers: equal data makes equal bytes, whatever the user has set in matplotlib."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from matplotlib import style
from matplotlib.figure import Figure

from orchestrator.errors import UserError
from orchestrator.figures.request import Form
from orchestrator.report.latex_text import escaped
from trainables.data.files import replace_whole

STYLE: Final = Path(__file__).with_name("paper.mplstyle")
_UNDATED: Final[dict[str, dict[str, None]]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""What else would hold the time of day."""


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib has the style, whatever was set before."""
    with style.context(STYLE, after_reset=True):
        yield


class Sheet(Figure):
    """A figure with its caption. `savefig` keeps its style, its width and no date."""

    caption: str = ""
    """What it shows, of what, how many there are, what is averaged, and what is missing: plain text."""

    def savefig(self, fname: Any, **options: Any) -> None:
        form = options.get("format") or (Path(fname).suffix[1:] if isinstance(fname, str | Path) else None)
        if form in _UNDATED:
            options["metadata"] = {**_UNDATED[form], **(options.get("metadata") or {})}
        with styled():
            super().savefig(fname, **options)

    @property
    def latex_caption(self) -> str:
        """The same to stand in `\\caption{}`."""
        return escaped(self.caption)

    def rendered(self, form: Form) -> bytes:
        """A file's content."""
        written = BytesIO()
        self.savefig(written, format=form)
        return written.getvalue()

    def write(self, output: Path, form: Form) -> None:
        """Put a file in place atomically. Raises UserError where it cannot be written."""
        try:
            replace_whole(self.rendered(form), output)
        except OSError as error:
            why = error.strerror or error
            raise UserError(f"cannot write the figure {output}: {why}; choose another place with --output") from error
