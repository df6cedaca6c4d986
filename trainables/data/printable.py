"""Names of files as text, whatever bytes they are made of."""

import os


def printable(name: str) -> str:
    """The name of a file on one line, with escapes for what is not text."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
