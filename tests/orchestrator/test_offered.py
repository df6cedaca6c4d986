"""What `orchestrator` offers is what `__all__` says, and none of it costs anything before it is asked for."""

import json
import subprocess
import sys
from types import ModuleType

import pytest

import orchestrator
import orchestrator.errors
import orchestrator.notebook.load

LATE = ("pandas", "torch", "numpy", "pyarrow", "pydantic", "ray", "wandb")
FRESH = f"""
import json, sys
import orchestrator
before = [name for name in vars(orchestrator) if not name.startswith("_")]
print(json.dumps([before, [name for name in {LATE} if name in sys.modules]]))
"""


def test_all_is_exact() -> None:
    assert orchestrator.__all__ == sorted(orchestrator.__all__)
    assert dir(orchestrator) == orchestrator.__all__
    here = {name for name, value in vars(orchestrator).items() if not isinstance(value, ModuleType)}
    assert {name for name in here if not name.startswith("_")} <= set(orchestrator.__all__)


def test_each_name_is_what_its_room_has() -> None:
    offered = {name: getattr(orchestrator, name) for name in orchestrator.__all__}
    assert offered == {
        "OrchError": orchestrator.errors.OrchError,
        "Results": orchestrator.notebook.load.Results,
        "load": orchestrator.notebook.load.load,
    }


@pytest.mark.parametrize("name", orchestrator.__all__)
def test_each_name_can_be_imported_first(name: str) -> None:
    subprocess.run(
        [sys.executable, "-c", f"from orchestrator import {name}; assert {name}.__name__ == '{name}'"], check=True
    )


def test_the_import_alone_brings_no_other_name_and_nothing_heavy() -> None:
    ended = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == [[], []]


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'orchestrator' has no attribute 'lode'"):
        orchestrator.lode  # noqa: B018
