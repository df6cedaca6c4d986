"""Writes one self-contained HTML file: `orch report`."""

import json
from base64 import b64encode
from functools import partial
from hashlib import sha256
from typing import Any, Final

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from pydantic import TypeAdapter

from orchestrator.report import plotly
from orchestrator.report.deployed import ABOUT
from orchestrator.report.page import Page
from orchestrator.report.template import cleaned, environment, part

_STYLES: Final = ("report.css",)
_SCRIPTS: Final = (
    *("library.js", "look.js", "table.js", "figures.js", "curves.js", "classes.js", "tuning.js", "side_by_side.js"),
    "report.js",
)

_STYLES_OF_PLOTLY: Final = ("", " ")
"""Plotly makes a style element without text, whose rules a script adds; the other is what is left of that for maps."""


def render(page: Page) -> str:
    """The page as HTML that needs nothing else, and that lets a browser run and apply only what is ours."""
    templates = environment()
    style = Markup("").join(part(templates, name) for name in _STYLES)
    library, script = _library(), Markup("").join(part(templates, name) for name in _SCRIPTS)
    return templates.get_template("report.html.j2").render(
        page=page,
        deployed=ABOUT,
        style=style,
        library=library,
        script=script,
        data=_embedded(page),
        script_hashes=" ".join(map(_hash, (library, script))),
        style_hashes=" ".join(map(_hash, (style, *_STYLES_OF_PLOTLY))),
    )


def _hash(text: str) -> Markup:
    """Hash a text as a content-security policy names what may stand inline."""
    return Markup(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")  # noqa: S704 - digits # nosec B704


def _embedded(value: object) -> Markup:
    """Values as JSON that cannot end the script element which holds them."""
    without: dict[str, Any] = {
        "galleries": True,
        "kept_images": True,
        "confirmed": True,
        "measured": {"__all__": {"images"}},
    }
    plain = cleaned(TypeAdapter(type(value)).dump_python(value, mode="json", exclude=without))
    return htmlsafe_json_dumps(plain, dumps=partial(json.dumps, allow_nan=False, separators=(",", ":")))


def _library() -> Markup:
    return Markup(plotly.script())  # noqa: S704 - the library's own script # nosec B704
