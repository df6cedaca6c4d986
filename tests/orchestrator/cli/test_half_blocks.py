"""Pictures on a terminal: only where it can show them, within its width, and of the pictures' own colours."""

import os
import re
from collections.abc import Iterator
from io import StringIO, TextIOWrapper
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.cli.terminal.half_blocks import can_show, print_pictures


class Terminal(StringIO):
    """A terminal of 24-bit colours."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("COLUMNS", "80")


class Narrow(Terminal):
    encoding = "latin-1"


@pytest.mark.parametrize(
    ("variable", "value"), [("NO_COLOR", "1"), ("COLORTERM", ""), ("TERM", "dumb"), ("COLUMNS", "8")]
)
def test_pictures_are_for_terminals_that_can_show_them(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    assert can_show(Terminal())
    assert not can_show(StringIO()) and not can_show(Narrow())
    monkeypatch.setenv(variable, value)
    assert not can_show(Terminal())


def test_a_file_is_no_terminal() -> None:
    with Path(os.devnull).open("w", encoding="utf-8") as file:
        assert isinstance(file, TextIOWrapper) and not can_show(file)


SIGN = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")


def signs(line: str) -> Iterator[tuple[int, ...]]:
    for found in SIGN.finditer(line):
        yield tuple(map(int, found.groups()))


def test_two_pixels_stand_in_a_sign_with_their_own_colours() -> None:
    picture = Image.new("RGB", (10, 10), (0, 0, 9))
    picture.putpixel((0, 0), (255, 1, 2))
    picture.putpixel((0, 1), (3, 4, 250))
    terminal = Terminal()
    print_pictures(terminal, [("one", picture)], most=10)
    title, first, *others = terminal.getvalue().splitlines()
    assert title == "one" and len(others) == 4
    assert next(signs(first)) == (255, 1, 2, 3, 4, 250)
    assert set(list(signs(first))[1:]) == {(0, 0, 9, 0, 0, 9)}


@pytest.mark.parametrize("columns", [10, 24, 80, 200])
def test_lines_fit_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    pictures = [(f"method number {number}", Image.new("RGB", (28, 28 + 40 * (number == 2)))) for number in range(6)]
    terminal = Terminal()
    print_pictures(terminal, pictures, most=32)
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in terminal.getvalue().splitlines()]
    assert max(map(len, lines)) <= columns
    shown = " ".join(line for line in lines if "▀" not in line)
    assert shown.count("method") == 6, "each has its title, cut where it is too long"
