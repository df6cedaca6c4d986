"""Text from elsewhere as it may be shown: nothing in it steers a terminal, or reads in another order than it stands."""

import json
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Final
from unicodedata import category

# The command line that was given.


def command_line() -> str:
    """Quote a command so that it can be pasted again."""
    program = Path(sys.argv[0]).name
    return shlex.join(["orch" if program == "__main__.py" else program, *sys.argv[1:]])


# Numbers of things, lengths of time, and what a text ends with, in few words.


def counted(count: int, noun: str) -> str:
    """`1 trial`, `3 trials`, `2 entries`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def upper_first(text: str) -> str:
    """`Test F1 of cat`: as a sentence begins, with all else as it stands."""
    return text[:1].upper() + text[1:]


def size(count: int) -> str:
    """`812 B`, `14.2 MiB`."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 5 s` or `2 h 10 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# Values of the environment that are secret, and texts without them.

_SECRET: Final = re.compile(
    r"(?:^|_)(?:API)?(?:KEYS?|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE)(?:_|$)", re.IGNORECASE
)
_WHERE: Final = re.compile(r"_(?:PATH|FILE|DIR|FOLDER)$", re.IGNORECASE)
"""Such a variable says where a secret lies, and not what it is."""
_SHORTEST: Final = 8
"""Characters: a shorter value stands in too many texts by chance."""


def masked(text: str) -> str:
    """The text with the name of a variable in place of its secret value."""
    if len(text) < _SHORTEST:
        return text
    for name, value in _secrets():
        text = text.replace(value, f"[{name}]")
    return text


def secret_in(text: str) -> tuple[str, int] | None:
    """The variable whose secret value the text holds, and where that begins; None where it holds none."""
    return next(((name, text.index(value)) for name, value in _secrets() if value in text), None)


def _secrets() -> list[tuple[str, str]]:
    """Name and value of each, long values first: a short one may be part of another."""
    found = [(name, value) for name, value in os.environ.items() if len(value) >= _SHORTEST and _is_secret(name)]
    return sorted(found, key=lambda pair: -len(pair[1]))


@cache
def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(name)) and not _WHERE.search(name)


_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control characters, marks of direction and others without a shape of their own, and what breaks a line."""
_JOINS: Final = "\u200c\u200d"
"""Without a shape of their own, but part of how words of some languages, and families of emoji, are written."""


def one_line(text: str) -> str:
    """Escape what would break the line or steer a terminal: names of files and classes may hold anything."""
    if text.isprintable():
        return text
    return text.translate({ord(sign): _shown(sign) for sign in set(text) if not sign.isprintable()})


def clean(text: str) -> str:
    """Escape as `one_line` does, with line breaks and tabs kept."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in lines)


def _shown(sign: str) -> str:
    """Spell a character as a string of Python's does; beyond ASCII, as JSON does too, so that printed JSON stays JSON."""
    hidden = category(sign) in _HIDDEN and sign not in _JOINS
    if not hidden:
        return sign
    return sign.encode("unicode_escape").decode() if sign < " " else json.dumps(sign)[1:-1]
