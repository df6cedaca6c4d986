"""The text of a grid file, and its root: whatever is no grid at all is one located sentence."""

import re
from pathlib import Path
from typing import Final

from clusters.yaml_file import At, NotYaml, YamlList, YamlMapping, parse
from orchestrator.errors import GridError, Problem, UserError
from orchestrator.text import one_line, secret_in
from trainables.data.files import read_regular

_MAX_BYTES: Final = 300_000
"""A grid is written by hand; the reader takes three seconds for this much."""
_MAX_VALUES: Final = 200_000
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of a text (Unicode Annex 9, sec. 2): what is read is not what stands there."""
_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_source(path: Path) -> YamlMapping:
    """Return the root mapping of a grid file. Raises UserError (no such file) and GridError (one problem: the first)."""
    return parse_source(_text(path), path)


def parse_source(text: str, path: Path) -> YamlMapping:
    """Return the root mapping of a grid's text. path: what it is called. Raises GridError (one problem: the first)."""
    try:
        root = parse(text, max_values=_MAX_VALUES)
    except NotYaml as error:
        raise _at(path, error.at, error.message) from None
    if root is None:
        raise _at(path, At(1, 1), "the file is empty; `orch init` writes a grid to start from")
    if not isinstance(root, YamlMapping):
        kind = "list" if isinstance(root, YamlList) else "single value"
        raise _at(path, getattr(root, "at", At(1, 1)), f"a grid is a mapping of keys, not a {kind}")
    return root


def _text(path: Path) -> str:
    try:
        content = read_regular(path, _MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or error
        raise UserError(one_line(f"cannot read the grid {path}: {why}")) from None
    if len(content) > _MAX_BYTES:
        raise _at(path, At(1, 1), f"the file is larger than {_MAX_BYTES // 1000} kB, too large for a grid")
    if content.startswith(_UTF_16):
        raise _at(path, At(1, 1), "not a text file in UTF-8, but in UTF-16; save it as UTF-8")
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode().removeprefix("\ufeff")
        raise _at(path, _end(before), "not a text file in UTF-8") from None
    if unfit := _unfit(text):
        index, why = unfit
        raise _at(path, _end(text[:index]), why)
    return text


def _unfit(text: str) -> tuple[int, str] | None:
    """Return where something stands that no grid holds, and why not."""
    if found := _TURNS.search(text):
        return found.start(), f"it contains {found[0]!r}, which shows what follows in another order than it is written"
    if found := _CONTROL.search(text):
        return found.start(), f"not a text file: it contains the control character {found[0]!r}"
    if secret := secret_in(text):
        return secret[1], f"it contains the value of {secret[0]}; keys are read from the environment, never from a grid"
    return None


def _end(text: str) -> At:
    lines = re.split(r"\r\n|\r|\n", text)
    return At(len(lines), len(lines[-1]) + 1)


def _at(path: Path, at: At, message: str) -> GridError:
    return GridError([Problem(str(path), at.line, at.column, message)])
