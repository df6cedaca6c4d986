"""The cluster's token: where it lies, and that nobody else can read it there. Its text is never looked at here."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from clusters.errors import ClusterSpecError
from clusters.spec import ClusterSpec

_DEFAULT: Final = Path(".ray", "auth_token")
"""Below the home folder: where Ray itself looks last."""


def use_token(spec: ClusterSpec) -> bool:
    """Tell Ray, through this process's environment, where the token is. False where none is known.

    To be called before `ray` is imported. The path travels, never the token: not in argv, a runtime environment or a log.
    Raises ClusterSpecError where its file is missing or others can read it.
    """
    known = [Path(spec.token_file)] if spec.token_file is not None else []
    if spec.token_file is not None:
        os.environ.pop("RAY_AUTH_TOKEN", None)  # Ray would prefer it
        os.environ["RAY_AUTH_TOKEN_PATH"] = spec.token_file
    elif path := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        known = [Path(path)]
    elif not os.environ.get("RAY_AUTH_TOKEN"):
        known = _at_home()
    for file in known:
        _refuse_open_file(file)
    if not known and not os.environ.get("RAY_AUTH_TOKEN"):
        return False
    os.environ["RAY_AUTH_MODE"] = "token"
    return True


def _at_home() -> list[Path]:
    with suppress(RuntimeError):  # a user without a home has none there
        if (file := Path.home() / _DEFAULT).is_file():
            return [file]
    return []


def _refuse_open_file(file: Path) -> None:
    try:
        status = file.stat()
    except OSError as error:
        raise ClusterSpecError([f"cannot read the token file {file}: {error.strerror or error}"]) from None
    if not stat.S_ISREG(status.st_mode):
        raise ClusterSpecError([f"the token file {file} is not a file"])
    if status.st_mode & 0o077:
        raise ClusterSpecError(
            [f"others can read the token file {file} (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600 {file}"]
        )
    if not os.access(file, os.R_OK):
        raise ClusterSpecError([f"the token file {file} cannot be read: permission denied"])
