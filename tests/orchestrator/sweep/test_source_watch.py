"""Code of trials that is edited while a sweep runs."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.sweep import source_watch
from orchestrator.sweep.source_watch import SourceWatch

COMPONENT = """
from trainables.protocol import Schedule

class Watched(Schedule):
    name = "watched"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of a component that was imported."""
    package = tmp_path / "watched_plugin"
    package.mkdir()
    (package / "__init__.py").write_text(COMPONENT)
    (package / "layers.py").write_text("SIZE = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(source_watch, "PERIOD", 0.0)
    importlib.import_module("watched_plugin")
    yield package
    del sys.modules["watched_plugin"]


@pytest.mark.parametrize("name", ["__init__.py", "layers.py"])
def test_an_edited_file_of_a_plug_in_is_reported_once(plugin: Path, name: str) -> None:
    message: list[str] = []
    watch = SourceWatch(message.append)
    watch.look()
    assert message == []
    (plugin / name).write_text("SIZE = 4\n")
    watch.look()
    watch.look()
    assert len(message) == 1
    assert str(plugin / name) in message[0]


def test_a_file_that_is_gone_is_reported(plugin: Path) -> None:
    message: list[str] = []
    watch = SourceWatch(message.append)
    (plugin / "layers.py").unlink()
    watch.look()
    assert len(message) == 1


def test_a_file_that_is_written_anew_as_it_was_is_no_edit(plugin: Path) -> None:
    message: list[str] = []
    watch = SourceWatch(message.append)
    again = plugin / "again"
    again.write_text("SIZE = 3\n")
    again.replace(plugin / "layers.py")
    watch.look()
    assert message == []
