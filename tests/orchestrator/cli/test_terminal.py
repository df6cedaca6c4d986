"""Whatever a command prints, it neither steers the terminal nor reads in another order than it stands."""

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table
from rich.text import Text

from orchestrator.cli import run
from orchestrator.cli.terminal import console, say
from orchestrator.report.contents import read_page
from orchestrator.report.html import render
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from orchestrator.text import clean, one_line
from tests.orchestrator.sample import Cell, complete, fail, plan

CLI = Path(__file__).parents[3] / "orchestrator" / "cli"
EVIL = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\x9b31m"
STEERS = frozenset("\x1b\x07\x9b\u202e\u2066\r\x00")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain é 東京 \U0001f600", "plain é 東京 \U0001f600"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202eabc\u200f\u2066", "\\u202eabc\\u200f\\u2066"),
        ("\x9b\x85\u2028\ufeff", "\\u009b\\u0085\\u2028\\ufeff"),
        ("\u3000\u202f", "\u3000\u202f"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_has_no_shape_is_spelt_out(text: str, line: str) -> None:
    assert one_line(text) == line
    assert one_line(clean(text)) == line


def test_a_table_keeps_its_styles_and_not_those_of_a_users_text() -> None:
    file = io.StringIO()
    drawn = console(file)
    drawn._force_terminal = True
    table = Table("title")
    table.add_row(Text(EVIL, style="red"))
    drawn.print(table)
    drawn.print(EVIL, markup=False)
    assert "owned" in file.getvalue()
    assert not {"\x07", "\u202e", "\x9b"} & set(file.getvalue())
    assert "\x1b]0" not in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()


def test_commands_print_through_one_place() -> None:
    outside = {
        (path.name, ast.unparse(node.func))
        for path in CLI.glob("*.py")
        if path.name not in {"terminal.py", "head.py"}  # which prints for the program that asked it
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"click.echo", "click.secho", "print", "Console"}
    }
    assert outside == set()


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["results"],
        ["results", "--csv"],
        ["results", "--json"],
        ["status", "--json"],
        ["logs"],
        ["logs", "--json"],
    ],
)
def test_names_and_reasons_of_a_results_directory_are_shown_clean(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = evil_results(tmp_path)
    trial = [EVIL_CELL.trial_id(1)] if command[0] == "logs" else []
    assert run([command[0], str(paths.root), *trial, *command[1:]]) == 0
    output, errors = capsys.readouterr()
    assert "owned" in output
    assert not STEERS & set(output + errors)
    if "--json" in command:
        assert any(EVIL in text for text in texts_in(json.loads(output)))


def test_the_page_shows_them_clean(tmp_path: Path) -> None:
    page = render(read_page(evil_results(tmp_path)))
    assert not STEERS & set(page.partition('id="page-data">')[0])
    texts = "".join(texts_in(json.loads(page.partition('id="page-data">')[2].partition("</script>")[0])))
    assert "owned" in texts
    assert not STEERS & set(texts)


def test_say_and_click_errors_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL, err=True)
    assert run(["sweep", f"--{EVIL}"]) == 2
    assert run([EVIL]) == 2
    assert run(["plan", EVIL]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("owned") >= 4
    assert not STEERS & set(errors)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)


EVIL_CELL = Cell(dataset=EVIL)


def evil_results(folder: Path) -> ResultsPaths:
    paths = ResultsPaths(folder / "evil")
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (EVIL_CELL,), seeds=(0, 1))
    complete(journal, EVIL_CELL, 0, accuracy=0.9)
    fail(journal, EVIL_CELL, 1, reason=f"RuntimeError: {EVIL}")
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths
