"""The page of commands in docs/ says what `--help` says."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli.terminal import cluster_reference
from orchestrator.cli.terminal.group import COMMANDS, orch
from orchestrator.cli.terminal.reference import WIDTH, every_command, markdown

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
CONTEXTS = list(every_command())


def test_the_committed_page_is_the_generated_one() -> None:
    again = "run: python -m orchestrator.cli.terminal.reference > docs/cli.md"
    assert PAGE.read_text(encoding="utf-8") == markdown(), again


def test_the_module_prints_the_page_whatever_the_terminal_is() -> None:
    narrow = os.environ | {"COLUMNS": "50", "LC_ALL": "C", "PYTHONUTF8": "0"}
    printed = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.terminal.reference"],
        capture_output=True,
        check=True,
        cwd=PAGE.parents[1],
        env=narrow,
    ).stdout
    assert printed.decode("utf-8") == PAGE.read_text(encoding="utf-8")


def test_a_file_of_the_folder_is_a_command() -> None:
    files = {path.stem for path in (PAGE.parents[1] / "orchestrator" / "cli").glob("*.py")}
    assert files == {*COMMANDS, "__init__"}


def test_the_page_of_cluster_files_is_the_generated_one() -> None:
    again = "run: python -m orchestrator.cli.terminal.cluster_reference > docs/cluster-file.md"
    page = (PAGE.parent / "cluster-file.md").read_text(encoding="utf-8")
    assert page == cluster_reference.markdown(), again
    assert " |  |\n" not in page, "every key has a sentence"


def test_every_command_is_there_once() -> None:
    paths = [context.command_path for context in CONTEXTS]
    assert paths[0] == "orch"
    assert [path for path in paths if path.count(" ") == 1] == [f"orch {name}" for name in COMMANDS]
    assert len(set(paths)) == len(paths)
    assert "orch wandb push" in paths


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.command_path)
def test_a_section_is_what_help_prints(context: click.Context) -> None:
    words = context.command_path.split()[1:]
    helped = CliRunner().invoke(orch, [*words, "--help"], prog_name="orch", terminal_width=WIDTH)
    assert helped.exit_code == 0
    assert f"## {context.command_path}\n\n```text\n{helped.output}```\n" in PAGE.read_text(encoding="utf-8")
