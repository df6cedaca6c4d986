"""The process that writes W&B runs, as the sweep sees it: started, told the end, and never waited for for long."""

import json
import netrc
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from stat import S_IMODE, S_IRWXG, S_IRWXO
from typing import Final, Literal
from urllib.parse import urlsplit

from clusters.signals import WARNINGS, children_deaf_to
from orchestrator.grid.settings import Destination, Mode, Wandb
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.settings import base_url
from trainables.data.files import open_to_append

Ending = Literal["written", "writing", "pending", "broken"]
"""Of the process: all is written; it still writes; W&B does not have all; it failed, and its log says how."""

_MANY_RUNS: Final = 2_000
_CELLS_INSTEAD: Final = (
    "it draws 500 to 1,000 in a chart and advises at most 10,000 in a project; `wandb: {runs: cells}` sends one a cell,"
    " with the mean of its seeds and the band"
)
PENDING: Final = 3
"""What the process ends with where W&B does not have all runs, or not the report."""
_LET_THROUGH: Final = frozenset(
    f"WANDB_{name}"
    for name in (
        *("API_KEY", "BASE_URL", "APP_URL", "ENTITY", "IDENTITY_TOKEN_FILE", "CREDENTIALS_FILE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "INSECURE_DISABLE_SSL", "X_EXTRA_HTTP_HEADERS"),
        *("CACHE_DIR", "CONFIG_DIR"),
    )
)
"""What the user's shell may say of the account and of the way to it. The rest is of a run of theirs (WANDB_RUN_ID,
WANDB_FORK_FROM), said by each of our runs itself (WANDB_MODE), or makes the SDK write the key to its logs (WANDB_DEBUG)."""


def many_runs(settings: Wandb, trials: int) -> str | None:
    """A note for who is about to send so many runs; None where they are not many, or not sent."""
    if settings.mode == "disabled" or settings.runs != "trials" or trials <= _MANY_RUNS:
        return None
    return f"{trials:,} W&B runs are many: {_CELLS_INSTEAD}"


def command(paths: ResultsPaths, mode: Mode, to: Destination) -> list[str]:
    """What starts the process. No key is in it: the SDK finds that where its user has put it."""
    return [sys.executable, "-m", "orchestrator.wandb", str(paths.root), json.dumps(asdict(to)), "--mode", mode]


def surroundings() -> dict[str, str]:
    """Its environment: ours without what is said of other runs."""
    return {name: value for name, value in os.environ.items() if _is_for_it(name)}


def _is_for_it(name: str) -> bool:
    return not name.startswith("WANDB_") or name in _LET_THROUGH


class WandbWriter:
    """Starts the writer and tells it when the sweep is over. It follows the journal; the sweep never waits for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, paths: ResultsPaths, mode: Mode, to: Destination) -> None:
        """Returns immediately. In mode `disabled` nothing is started. Raises OSError."""
        if mode == "disabled":
            return
        with open_to_append(paths.wandb_log) as log, children_deaf_to(WARNINGS):
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command(paths, mode, to), "--follow"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=surroundings(),
                # Ctrl-C is meant for the sweep, which then closes the pipe: the writer sends what is finished
                start_new_session=True,
            )

    def finish(self, timeout: float) -> Ending:
        """Say that the sweep is over, and wait at most so many seconds. The process then goes on by itself."""
        if self._process is None:
            return "written"
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return "writing"
        return "pending" if code == PENDING else "broken" if code else "written"


def has_key() -> bool:
    """Whether this user has a W&B key, in WANDB_API_KEY or in netrc. The key itself is never handed on."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    return any(map(_has_password, _netrc_files()))


def open_key_files() -> list[str]:
    """A sentence for each netrc file with a W&B key that others can read too."""
    return [
        f"others can read the W&B key in {path} (mode {S_IMODE(mode):04o}); chmod 600 {path}"
        for path in _netrc_files()
        if _has_password(path) and (mode := path.stat().st_mode) & (S_IRWXG | S_IRWXO)
    ]


def _netrc_files() -> list[Path]:
    named = os.environ.get("NETRC")
    if named:
        return [Path(named)]
    try:
        return [Path.home() / ".netrc", Path.home() / "_netrc"]
    except RuntimeError:  # a user without a home has none
        return []


def _has_password(path: Path) -> bool:
    host = urlsplit(base_url()).netloc  # with its port, as `wandb login` writes it
    if not path.is_file():  # a FIFO would keep us waiting
        return False
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, ValueError, netrc.NetrcParseError):  # ValueError: it is not UTF-8
        return False
    return bool(found and found[2])
