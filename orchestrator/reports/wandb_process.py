"""The process that writes W&B runs, as the sweep sees it: started, told the end, and never waited for for long."""

import netrc
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from orchestrator.store.paths import ResultsPaths

Mode = Literal["auto", "online", "offline", "disabled"]

_NOT_OURS: Final = ("WANDB_SERVICE", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID", "WANDB_RUN_GROUP", "WANDB_TAGS")
"""What the user's shell may say of a run of theirs; each of our runs says it itself."""


class WandbWriter:
    """Starts the writer and tells it when the sweep is over. It follows the journal; the sweep never waits for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, paths: ResultsPaths, mode: Mode, project: str, entity: str | None = None) -> None:
        """Returns at once. In mode `disabled` nothing is started. Raises OSError."""
        if mode == "disabled":
            return
        command = [sys.executable, "-m", "orchestrator.reports.wandb", str(paths.root), "--follow"]
        command += ["--mode", mode, "--project", project, *(["--entity", entity] if entity else [])]
        with paths.wandb_log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={name: value for name, value in os.environ.items() if name not in _NOT_OURS},
                # Ctrl-C is meant for the sweep, which then closes the pipe: the writer sends what is finished
                start_new_session=True,
            )

    def finish(self, timeout: float) -> bool:
        """Say that the sweep is over, and wait at most so many seconds. False where runs are still being written.

        The process goes on by itself then, and ends when everything is written.
        """
        if self._process is None:
            return True
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            return self._process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False


def has_key() -> bool:
    """Whether this user has a W&B key, in WANDB_API_KEY or in netrc. The key itself is never handed on."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    named = os.environ.get("NETRC")
    candidates = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    return any(_has_password(path, host) for path in candidates)


def _has_password(path: Path, host: str) -> bool:
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return False
    return bool(found and found[2])
