"""Text from elsewhere as it may be shown: nothing in it steers a terminal, or reads in another order than it stands."""

import json
from typing import Final
from unicodedata import category

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control characters, marks of direction and others without a shape of their own, and what breaks a line."""
_JOINS: Final = "\u200c\u200d"
"""Without a shape of their own, but part of how words of some languages, and families of emoji, are written."""


def one_line(text: str) -> str:
    """With escapes for what would break the line or steer a terminal: names of files and classes may hold anything."""
    return text if text.isprintable() else "".join(map(_shown, text))


def clean(text: str) -> str:
    """As `one_line`, with line breaks and tabs kept."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in lines)


def _shown(sign: str) -> str:
    """As a string of Python's spells it; beyond ASCII, one of JSON's does too, so that printed JSON stays JSON."""
    hidden = category(sign) in _HIDDEN and sign not in _JOINS
    if not hidden:
        return sign
    return sign.encode("unicode_escape").decode() if sign < " " else json.dumps(sign)[1:-1]
