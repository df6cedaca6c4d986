"""What travels to a cluster, and what stays here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clusters import code as travelling
from clusters.code import Code, lay_out
from clusters.errors import ClusterError
from orchestrator.engine.code import CODE


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is installed in the way pip does it, with an entry point, a secret and compiled code."""
    site = tmp_path / "site"
    package, metadata = site / "clouds", site / "clouds-2.5.dist-info"
    (package / "__pycache__").mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("class Net: ...\n")
    (package / ".env").write_text("KEY=secret")
    (package / "__pycache__" / "net.cpython-311.pyc").write_bytes(b"compiled")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: clouds\nVersion: 2.5\n")
    (metadata / "entry_points.txt").write_text("[orch.models]\nclouds = clouds.net:Net\n")
    monkeypatch.syspath_prepend(str(site))
    return "clouds"


def test_another_python_finds_orch_and_its_plugins_in_what_travels(tmp_path: Path, plugin: str) -> None:
    folder = tmp_path / "travelling"
    folder.mkdir()
    lay_out(CODE, folder)
    script = (
        "import json; from importlib.metadata import entry_points, version; import clouds.net, orchestrator, clusters;"
        "print(json.dumps([[entry.name for entry in entry_points(group='orch.models')], version('clouds'),"
        "version('orch-grid'), orchestrator.__file__, clouds.net.__file__]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    names, plugin_version, version, *files = json.loads(ended.stdout)
    assert (names, plugin_version, version) == ([plugin], "2.5", "0.1.0")
    assert all(Path(file).is_relative_to(folder) for file in files)


def test_hidden_and_compiled_files_stay_behind(tmp_path: Path, plugin: str) -> None:
    folder = tmp_path / "travelling"
    folder.mkdir()
    lay_out(CODE, folder)
    names = {path.name for path in folder.rglob("*")}
    assert "net.py" in names
    assert not {name for name in names if name.startswith(".") or name.endswith(".pyc") or name == "__pycache__"}
    assert {path.name for path in folder.iterdir() if not path.name.endswith("dist-info")} == {*CODE.packages, plugin}


def test_what_is_no_code_is_too_large(tmp_path: Path, plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "travelling"
    folder.mkdir()
    monkeypatch.setattr(travelling, "MAX_BYTES", 10)
    with pytest.raises(ClusterError, match="the package clouds has"):
        lay_out(Code("orch-grid", (), ("orch.models",)), folder)
