"""Every key of a grid file is described, for editors and on the page in docs/."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.grid.page import markdown
from orchestrator.grid.schema import grid_schema
from trainables import AXES
from trainables.registry import registry

PAGE = Path(__file__).parents[3] / "docs" / "grid.md"


def keys(schema: dict[str, Any], where: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each key below a piece of the schema: where, its name, and what is said of it."""
    for key, value in schema.get("properties", {}).items():
        yield where, key, value
    for name, value in schema.get("$defs", {}).items():
        yield from keys(value, name)
    for number, value in enumerate(schema.get("anyOf", [])):
        yield from keys(value, f"{where}[{number}]")


def test_no_key_is_without_words() -> None:
    found = list(keys(grid_schema(), "the file"))
    assert len(found) > 400
    assert [(where, key) for where, key, value in found if not value.get("description", "").strip()] == []


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run: python -m orchestrator.grid.page > docs/grid.md"


def test_the_module_prints_the_page_whatever_the_locale_is() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "orchestrator.grid.page"],
        capture_output=True,
        check=True,
        cwd=PAGE.parents[1],
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0"},
    ).stdout
    assert printed.decode("utf-8") == PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_section_key_and_component() -> None:
    text = PAGE.read_text(encoding="utf-8")
    schema = grid_schema()
    sections = {name for name, value in schema["$defs"].items() if "properties" in value}
    for where, key, _ in keys({"properties": schema["properties"]}, ""):
        assert f"| `{key}` |" in text, (where, key)
    for name in sections:
        for key in schema["$defs"][name]["properties"]:
            assert f"| `{key}` |" in text, (name, key)
    for kind in (*AXES, "schedule"):
        assert all(f"\n### {name}\n" in text for name in registry.names(kind) if registry.is_built_in(kind, name))


def test_its_links_lead_to_its_headings() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("## ")}
    anchors = {
        "".join(sign for sign in heading.replace(" ", "-") if sign.isalnum() or sign in "-_") for heading in headings
    }
    linked = {part.partition(")")[0] for part in text.split("](#")[1:]}
    assert linked and linked <= anchors
