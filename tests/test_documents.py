"""What the documents show runs."""

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.orchestrator.claims.stated import write
from tests.orchestrator.sample import Cell

ROOT = Path(__file__).parents[1]
SCORES = {
    Cell(model="mlp"): [0.90 + 0.001 * seed for seed in range(10)],
    Cell(model="cnn"): [0.95 + 0.002 * seed for seed in range(10)],
    Cell(model="mlp", optimizer="adam(lr=0.003)"): [*(0.91 + 0.001 * seed for seed in range(9)), "diverged"],
}


def snippets_of(document: str) -> list[str]:
    """The Python that a document shows."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.S | re.M)


def shown_by(snippet: str, names: dict[str, Any], document: str) -> Any:
    """Run it, and return what a notebook would show: the value of its last line."""
    *before, last = ast.parse(snippet).body
    exec(compile(ast.Module(before, []), document, "exec"), names)
    if not isinstance(last, ast.Expr):
        return exec(compile(ast.Module([last], []), document, "exec"), names)
    return eval(compile(ast.Expression(last.value), document, "eval"), names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    write(folder / "results" / "demo", SCORES, "better: {model: cnn}, than: {model: mlp}, on: test_accuracy")
    return folder


def test_snippets_of_pandas_md_run_one_after_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    snippets = snippets_of("docs/pandas.md")
    for snippet in snippets:
        shown_by(snippet, names, "docs/pandas.md")
    assert len(snippets) == 11
    assert names["verdict"].outcome == "supported"


def test_the_notebook_runs(folder: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "results.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code), "it is kept without outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in code for output in cell.outputs]
    assert shown
    assert not [output for output in shown if output.output_type == "error"]
