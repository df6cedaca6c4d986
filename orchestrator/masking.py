"""Values of the environment that are secret, and texts without them.

The only place that knows what is secret: every text that is stored or shown goes through `masked` where it is made.
"""

import os
import re
from functools import cache
from typing import Final

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
