"""What the documents show runs: Python as it stands, and command lines and YAML as far as those who read them."""

import ast
import re
import shlex
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, Final

import click
import nbformat
import pytest
import torch
from nbclient import NotebookClient
from ruamel.yaml import YAML

from clusters.errors import ClusterSpecError
from clusters.file import parse_cluster
from clusters.spec import ClusterSpec
from orchestrator.cli.terminal.group import orch
from orchestrator.cli.terminal.reference import every_command
from orchestrator.errors import GridError
from orchestrator.grid import GridSpec
from orchestrator.grid.grid_file import GridFile
from orchestrator.grid.reader import read_text
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell
from tests.orchestrator.store.predictions import made
from trainables.dataset import DataInfo

ROOT = Path(__file__).parents[1]
SCORES = {
    Cell(model="mlp"): [0.90 + 0.001 * seed for seed in range(10)],
    Cell(model="cnn"): [0.95 + 0.002 * seed for seed in range(10)],
    Cell(model="mlp", optimizer="adam(lr=0.003)"): [*(0.91 + 0.001 * seed for seed in range(9)), "diverged"],
}


DOCUMENTS: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "CHANGELOG.md"  # it tells what was
)
FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
INDENTED: Final = re.compile(r"^    .*$", re.M)


def snippets_of(document: str, language: str = "python") -> list[str]:
    """The code of a language that a document shows."""
    return [code for fenced, code in FENCED.findall(text_of(document)) if fenced == language]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def lines_of(document: str) -> list[str]:
    """The lines of its blocks, whether between fences or indented."""
    text = text_of(document)
    indented = [line.strip() for line in INDENTED.findall(FENCED.sub("", text))]
    return [*(line.strip() for _, code in FENCED.findall(text) for line in code.splitlines()), *indented]


def spans_of(document: str) -> list[str]:
    """What it shows within a sentence. A line may end in the middle of it."""
    prose = INDENTED.sub("", FENCED.sub("", text_of(document)))
    return re.findall(r"`([^`]+)`", " ".join(prose.split()))


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
    made.add(ResultsPaths(folder / "results" / "demo"))
    return folder


def test_snippets_of_pandas_md_run_one_after_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    snippets = snippets_of("docs/pandas.md")
    for snippet in snippets:
        shown_by(snippet, names, "docs/pandas.md")
    assert len(snippets) == 13
    assert names["verdict"].outcome == "supported"


def test_the_snippet_of_figures_md_draws_and_saves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (snippet,) = snippets_of("docs/figures.md")
    shown_by(snippet, {}, "docs/figures.md")
    assert Path("curves.pdf").read_bytes().startswith(b"%PDF")


def test_the_model_of_contributing_md_is_one() -> None:
    names: dict[str, Any] = {}
    (snippet,) = snippets_of("CONTRIBUTING.md")
    shown_by(snippet, names, "CONTRIBUTING.md")
    model = names["Linear"].from_parameters({"bias": False})
    data = DataInfo("digits", "image", (1, 8, 8), "classification", tuple("0123456789"))
    assert model.unsupported_reason(data) is None
    assert model.build(data, 10)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_the_notebook_runs(folder: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "results.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code), "it is kept without outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in code for output in cell.outputs]
    assert shown
    assert not [output for output in shown if output.output_type == "error"]


# Command lines.

COMMAND: Final = re.compile(r"(?:\$ )?(orch (?:[a-z]|--).*)")
PLACEHOLDER: Final = re.compile(r"\[(.+)\]")
"""A word that may be left out, as a synopsis has it."""


def words_of(line: str) -> list[str]:
    """What a shell hands to `orch`, without what it does with the output; of a synopsis all that may be given."""
    shell = shlex.shlex(line, posix=True, punctuation_chars="|>;")
    shell.whitespace_split = True
    words = list(shell)
    ends = next((index for index, word in enumerate(words) if set(word) <= set("|>;")), len(words))
    return [PLACEHOLDER.sub(r"\1", word) for word in words[1:ends]]


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end when they have been parsed: their paths need not be there."""
    for context in every_command():
        monkeypatch.setattr(context.command, "callback", None)


def complaint(line: str, *, whole: bool = True) -> str | None:
    """What Click has against a command line; None where it takes it. whole: whether arguments must not be left out."""
    try:
        orch.main(words_of(line), "orch", standalone_mode=False)
    except click.MissingParameter as missing:
        return missing.format_message() if whole else None
    except click.UsageError as wrong:
        return wrong.format_message()
    return None


def commands_in(lines: list[str]) -> list[str]:
    return [found[1] for line in lines if (found := COMMAND.fullmatch(line))]


@pytest.mark.usefixtures("nothing_runs")
def test_every_command_line_of_the_documents_is_accepted() -> None:
    shown = {(document, line) for document in DOCUMENTS for line in commands_in(lines_of(document))}
    assert len(shown) > 30
    message = {(document, line): complaint(line) for document, line in shown}
    assert {shown: said for shown, said in message.items() if said is not None} == {}


@pytest.mark.usefixtures("nothing_runs")
def test_commands_within_sentences_have_no_unknown_name_or_option() -> None:
    named = {(document, span) for document in DOCUMENTS for span in commands_in(spans_of(document))}
    assert len(named) > 30
    message = {(document, span): complaint(span, whole=False) for document, span in named}
    assert {named: said for named, said in message.items() if said is not None} == {}


@pytest.mark.usefixtures("nothing_runs")
def test_the_examples_of_each_help_are_accepted() -> None:
    epilogs = [epilog for context in every_command() if (epilog := context.command.epilog)]
    examples = [commands_in(re.split(r"; |, or ", epilog.removeprefix("Example: "))) for epilog in epilogs]
    assert len(examples) > 10
    assert [] not in examples
    message = {line: complaint(line) for lines in examples for line in lines}
    assert {line: said for line, said in message.items() if said is not None} == {}


@pytest.mark.usefixtures("nothing_runs")
def test_the_workflow_of_ci_md_calls_commands_as_they_are() -> None:
    (workflow,) = [YAML(typ="safe", pure=True).load(text) for text in snippets_of("docs/ci.md", "yml")]
    ran = commands_in([step["run"] for step in workflow["jobs"]["quick"]["steps"] if "run" in step])
    assert len(ran) == 4
    assert {line: said for line in ran if (said := complaint(line)) is not None} == {}


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("orch swep grid.yaml", "did you mean 'sweep'"),
        ("orch sweep grid.yaml --sed 3", "No such option"),
        ("orch sweep grid.yaml --seeds none", "not a valid integer"),
        ("orch sweep grid.yaml another.yaml", "unexpected extra argument"),
        ("orch sweep --retry  # of what?", "Missing argument"),
        ("orch wandb pull results/demo", "No such command"),
        ("orch wandb push results/demo --all | head", "No such option"),
    ],
)
def test_a_command_line_that_is_wrong_is_reported(line: str, message: str) -> None:
    assert message in (complaint(line) or "")


# YAML: grids and cluster files, whole ones and parts of them.

MIN: Final = """\
name: documented
axes: {dataset: digits, model: mlp, optimizer: sgd}
"""
"""What a part of a grid is completed with, where its first line names no example that it is from."""
TO_DECIDE: Final = "examples/claims.yaml"
"""The same, where it adds seeds until claims are decided: one that has claims."""


def is_of_a_cluster(block: dict[str, Any]) -> bool:
    return block.keys() <= ClusterSpec.model_fields.keys()


def completed(text: str) -> str:
    """A part of a grid as a whole one: with the sections, and the axes, that it lacks and the other grid has."""
    yaml, written = YAML(), StringIO()
    grid = yaml.load(text)
    decides = isinstance(seeds := grid.get("seeds"), dict) and "until" in seeds
    other = yaml.load(example_of(text) or (text_of(TO_DECIDE) if decides else MIN))
    for key, section in other.items():
        grid.setdefault(key, section)
    for axis, levels in other["axes"].items():
        grid["axes"].setdefault(axis, levels)
    yaml.dump(grid, written)
    return written.getvalue()


def example_of(text: str) -> str | None:
    named = re.match(r"# (examples/\S+\.yaml)\n", text)
    return None if named is None else text_of(named[1])


def yaml_of(document: str) -> Iterator[str]:
    """Blocks, and sections of a grid within a sentence."""
    yield from snippets_of(document, "yaml")
    yield from (span for span in spans_of(document) if re.match(rf"({'|'.join(GridFile.model_fields)}): ", span))


def read(text: str) -> GridSpec | ClusterSpec:
    """Raises GridError, ClusterSpecError."""
    if is_of_a_cluster(YAML(typ="safe", pure=True).load(text)):
        return parse_cluster(text, "cluster.yaml")
    return read_text(completed(text), Path("grid.yaml"))


YAML_SHOWN: Final = [(document, text) for document in DOCUMENTS for text in yaml_of(document)]


@pytest.mark.parametrize(("document", "text"), YAML_SHOWN, ids=[f"{name}-{text[:20]}" for name, text in YAML_SHOWN])
def test_yaml_is_read_without_a_warning(document: str, text: str) -> None:
    found = read(text)
    assert not isinstance(found, GridSpec) or found.warnings == ()


def test_both_readers_are_asked_and_every_block_of_yaml_has_fences() -> None:
    kinds = [type(read(text)) for _, text in YAML_SHOWN]
    assert kinds.count(ClusterSpec) >= 3
    assert kinds.count(GridSpec) >= 8
    indented = [line for document in DOCUMENTS for line in INDENTED.findall(FENCED.sub("", text_of(document)))]
    assert [line for line in indented if re.match(rf" *({'|'.join(GridFile.model_fields)}):( |$)", line)] == []


def test_what_is_shown_of_an_example_stands_in_it() -> None:
    shown = [(text, example) for _, text in YAML_SHOWN if (example := example_of(text)) is not None]
    assert shown
    yaml = YAML(typ="safe", pure=True)
    for text, example in shown:
        for key, section in yaml.load(text).items():
            there = yaml.load(example)[key]
            assert all(part in there for part in section) if isinstance(section, list) else section == there


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protocol: {epoch: 5}", "unknown key of protocol 'epoch'"),
        ("axes: {model: resnt}", "unknown model 'resnt'"),
        ("claim: []", "unknown key 'claim'"),
        ("kind: atach", "did you mean 'attach'"),
    ],
)
def test_yaml_that_is_wrong_is_reported(text: str, message: str) -> None:
    with pytest.raises((GridError, ClusterSpecError), match=re.escape(message)):
        read(text)
