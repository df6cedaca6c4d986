"""Text of any origin as LaTeX sets it: it stands as it is, and commands nothing. Works under pdfTeX, XeTeX and LuaTeX."""

import unicodedata
from typing import Final

from orchestrator.text import one_line

_SPELT: Final = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\`{}",
    '"': "''",  # babel's shorthands make a command of it
    "[": "{[}",  # what begins a row of a table with it, or with a star, is an option of the row before
    "*": "{*}",
    "·": r"\ensuremath{\cdot}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "×": r"\ensuremath{\times}",
    "±": r"\ensuremath{\pm}",
    "−": r"\ensuremath{-}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "→": r"\ensuremath{\rightarrow}",
    "°": r"\ensuremath{^\circ}",
    "µ": r"\ensuremath{\mu}",
}
_LIGATURES: Final = "-,'"
"""Two of them are set as another sign."""
_GREEK_CAPITALS: Final = frozenset("gamma delta theta lambda xi pi sigma upsilon phi psi omega".split())  # noqa: SIM905
_GREEK: Final = _GREEK_CAPITALS | frozenset("alpha beta epsilon zeta eta iota kappa mu nu rho tau chi".split())  # noqa: SIM905
_LAST_LATIN: Final = "\u017f"
"""What lies beyond has no letters in the fonts of pdfTeX that everybody has."""


def escaped(text: str) -> str:
    """The text on one line. Letters with accents stay; Greek ones are set as formulas; others stand as `[U+4E2D]`."""
    line = one_line(text)
    pairs = zip(line, line[1:] + " ", strict=False)
    return "".join(_escaped(sign) + ("{}" if sign == after and sign in _LIGATURES else "") for sign, after in pairs)


def _escaped(sign: str) -> str:
    if sign in _SPELT:
        return _SPELT[sign]
    if sign.isascii() or (sign.isalpha() and sign <= _LAST_LATIN):
        return sign
    name = unicodedata.name(sign, "")
    for case, known in (("SMALL", _GREEK), ("CAPITAL", _GREEK_CAPITALS)):
        letter = name.removeprefix(f"GREEK {case} LETTER ").lower().replace("lamda", "lambda")
        if letter in known and name.startswith(f"GREEK {case}"):
            return f"\\ensuremath{{\\{letter if case == 'SMALL' else letter.capitalize()}}}"
    return f"[U+{ord(sign):04X}]"
