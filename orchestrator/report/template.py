"""Pages that need no other file: templates with our own style inlined, written whole or not at all."""

from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.errors import UserError
from orchestrator.text import clean, upper_first
from trainables.data.files import replace_whole


def environment() -> Environment:
    """The templates of this package, with `part` for a file that is put in as it stands, and the filter `upper_first`."""
    made = Environment(
        loader=PackageLoader("orchestrator.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=cleaned,
    )
    made.filters["upper_first"] = upper_first
    made.globals["part"] = partial(part, made)
    return made


def cleaned(value: object) -> object:
    """Clean what a page shows. Our own markup is passed over; a text of a user's becomes markup only after this."""
    if isinstance(value, dict):
        return {name: cleaned(part) for name, part in value.items()}
    if isinstance(value, list):
        return [cleaned(part) for part in value]
    return clean(value) if type(value) is str else value


def write_page(text: str, output: Path) -> None:
    """Put a page in place atomically. Raises UserError where it cannot be written."""
    try:
        replace_whole(text.encode(), output)
    except OSError as error:
        raise UserError(f"cannot write the page {output}: {error.strerror or error}; choose another place") from error


def part(made: Environment, name: str) -> Markup:
    """Our own style and script, as they stand."""
    assert made.loader is not None
    return Markup(made.loader.get_source(made, name)[0])  # noqa: S704 - files of this package # nosec B704
