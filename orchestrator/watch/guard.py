"""Who may ask, and what an answer lets a browser do with it."""

import secrets
from collections.abc import Sequence
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_NAMES: Final = frozenset({LOOPBACK, "localhost", "[::1]"})
"""Of this machine, whatever the port: a tunnel of ssh has another at its other end."""
METHODS: Final = ("GET", "HEAD")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
        " trusted-types 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "orch",
}
"""Of every answer. The page runs our own files alone, and sends nothing anywhere."""


def new_token() -> str:
    """256 bits, as a part of an address."""
    return secrets.token_urlsafe(32)


def names_this_machine(hosts: Sequence[str]) -> bool:
    """Whether the Host headers do. A page of another site whose name leads here by now (DNS rebinding) has its own."""
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].lower().rpartition(":")
    if not colon or port.endswith("]"):  # no port, as a browser leaves out 80
        name, port = hosts[0].lower(), "80"
    return name in _NAMES and port.isascii() and port.isdigit()


def path_below(token: str, path: str) -> str | None:
    """What stands in a path after the token; None where another token or none stands there. In constant time."""
    given, slash, rest = path.removeprefix("/").partition("/")
    same = secrets.compare_digest(given.encode(errors="replace"), token.encode())
    return rest if same and slash and path.startswith("/") else None
