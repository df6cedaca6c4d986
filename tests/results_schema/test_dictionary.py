"""The data dictionary in docs/ says what the schemas say."""

import subprocess
import sys
from pathlib import Path

import pytest

import results_schema
from results_schema.dictionary import markdown

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


def test_the_committed_page_is_the_generated_one() -> None:
    again = "run: python -m results_schema > docs/data-dictionary.md"
    assert PAGE.read_text(encoding="utf-8") == markdown(), again


def test_the_module_prints_the_page() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "results_schema"], capture_output=True, check=True, cwd=PAGE.parents[1]
    ).stdout
    assert printed.decode("utf-8") == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("table", results_schema.TABLES, ids=lambda table: table.name)
def test_every_column_has_a_line_with_its_unit_and_sentence(table: results_schema.Table) -> None:
    first = results_schema.TRIALS if table in results_schema.TRIAL_TABLES else table  # the others name it
    section = markdown().split(f"\n## {first.name}\n")[1].split("\n## ")[0]
    lines = {line.split("`")[1]: line for line in section.splitlines() if line.startswith("| `")}
    assert list(lines) == table.columns
    for field in table.schema:
        cells = [cell.strip() for cell in lines[field.name].strip("|").split(" | ")]
        assert cells[2] == field.metadata[b"unit"].decode() != ""
        assert cells[3] == field.metadata[b"about"].decode()
        assert cells[3].endswith("."), f"{table.name}.{field.name} has no whole sentence"
        assert ("required" in cells[1]) == (not field.nullable)
    assert set(table.key) <= {field.name for field in table.schema if not field.nullable}
