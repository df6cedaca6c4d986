"""The library that draws the page's charts: its published script, kept in this package."""

import re
from importlib.resources import files
from typing import Final

VERSION: Final = "4.1.1"
"""Of `plotly.js-cartesian-dist-min`, the build with the traces that lie in a plane: a third of the whole library."""
SHA256: Final = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"
"""Of `vendored/plotly-cartesian.min.js`, which is the published file byte by byte."""

_STYLE_FOR_MAPS: Final = re.compile(r"(\.textContent=)'\.maplibregl-map\{[^']*'")
"""Rules for maps, which the page has none of: 60 kB that its policy would have to let through."""


def published() -> str:
    """Return the script as it was published."""
    return (files(__package__) / "vendored" / "plotly-cartesian.min.js").read_text(encoding="utf-8")


def script() -> str:
    """Return the script as the page has it, without the style for maps."""
    return _STYLE_FOR_MAPS.sub(r"\1' '", published(), count=1)
