"""The digest of a component's source."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.sweep import record
from trainables.component import Component
from trainables.models.cnn import Cnn
from trainables.models.vit import Vit

MODEL = """
from lab_nets.shared import NOTHING
from trainables.component import Component

class Net(Component):
    name = "net"

    def build(self):
        from lab_nets.layers import Layer
        return Layer
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plug-in whose model imports its layers where it builds them."""
    folder = tmp_path / "lab_nets"
    folder.mkdir()
    for name, text in {"__init__": "", "net": MODEL, "layers": "Layer = 1\n", "shared": "NOTHING = 0\n"}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab_nets"]:
        del sys.modules[name]


def digest(component: type[Component]) -> str:
    record.source_digest.cache_clear()
    record._source.cache_clear()
    return record.source_digest((component,))


@pytest.mark.parametrize(("file", "changes"), [("net", True), ("layers", True), ("shared", False)])
def test_what_a_component_builds_from_is_its_source(package: Path, file: str, changes: bool) -> None:
    net = importlib.import_module("lab_nets.net").Net
    before = digest(net)
    assert digest(net) == before
    with (package / f"{file}.py").open("a") as source:
        source.write("# changed\n")
    assert (digest(net) != before) == changes


def test_each_component_has_its_own() -> None:
    assert len({digest(Cnn), digest(Vit), record.source_digest((Cnn, Vit))}) == 3
