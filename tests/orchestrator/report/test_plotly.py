"""The library that the page carries is the published one, and has what the page draws with."""

import re
import tomllib
from hashlib import sha256
from importlib.resources import files
from typing import Final

from orchestrator.report import plotly
from orchestrator.report.template import environment
from tests.test_documents import ROOT

MODULES: Final = re.compile(r'moduleType:"trace",name:"(\w+)"')
DRAWN: Final = re.compile(r'\btype: "(\w+)"')
NO_TRACES: Final = {"data", "line", "rect", "log", "linear", "button"}
"""Types of error bars, shapes, axes and buttons."""


def test_it_is_the_published_file() -> None:
    published = plotly.published()
    assert sha256(published.encode()).hexdigest() == plotly.SHA256
    assert f"plotly.js (cartesian - minified) v{plotly.VERSION}\n" in published[:200]


def test_it_draws_every_kind_of_trace_that_the_page_has() -> None:
    templates = environment()
    sources = [templates.loader.get_source(templates, name)[0] for name in templates.list_templates(["js"])]
    drawn = {kind for source in sources for kind in DRAWN.findall(source)} - NO_TRACES
    assert drawn == {"scatter", "heatmap", "bar"}
    assert drawn <= set(MODULES.findall(plotly.published()))


def test_only_the_style_for_maps_is_taken_out() -> None:
    published, script = plotly.published(), plotly.script()
    at = next(place for place, (one, other) in enumerate(zip(published, script, strict=False)) if one != other)
    taken = len(published) - len(script) + 1
    assert script == f"{published[:at]} {published[at + taken :]}"
    assert published[at : at + taken].startswith(".maplibregl-map{")
    assert "maplibregl" not in script


def test_its_licence_goes_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    licence = files("orchestrator.report") / "vendored" / "plotly-LICENSE"
    assert "MIT License" in licence.read_text(encoding="utf-8")
    assert "orchestrator/report/vendored/plotly-LICENSE" in project["license-files"]
    assert not [name for name in project["dependencies"] if name.startswith("plotly")]
