"""The environment variables that Ray reads once, when it is imported. Imports no ray."""

import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from clusters.errors import ClusterSpecError
from clusters.spec import ClusterSpec

# The cluster's token: where it lies, and that nobody else can read it there. Its text is never looked at here.

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


_LEAN: Final = {
    # milliseconds between two tries to reach a socket that is not there yet, and how many are made; Ray's own are a second
    # and 10: where a raylet is quicker than its object store, that is a second of every start
    "RAY_raylet_client_connect_timeout_milliseconds": "50",
    "RAY_raylet_client_num_connect_attempts": "200",
    # a record of every call, kept by its caller for `ray list tasks`: a kilobyte a trial, and nobody looks at a Ray of ours
    "RAY_task_events_report_interval_ms": "0",
}
"""What spares time and memory of a Ray that is started here. The names are Ray's."""


def prepare_environment(spec: ClusterSpec, *, preload: str = "", at_once: bool = False) -> None:
    """Set what a Ray started here needs. To be called before `ray` is imported for the first time.

    preload: a module that worker processes import as they start. at_once: whether one worker process for each CPU starts
    as soon as Ray's own processes run, before anything asks for them; where fewer are used, they would import in vain.
    """
    os.environ.pop("WANDB_SERVICE", None)  # a slot's process must not think that it is a W&B client's child
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    # ray tells of dead workers on our standard output, which is for data; the engine tells of them itself
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "^"
    if not spec.access.starts_ray:
        use_token(spec)
        if _is_loopback(os.environ.get("RAY_ADDRESS", "") if spec.address == "auto" else spec.address):
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # ray would look for it on the outer interface
        return
    wanted = {
        # ray listens on all interfaces on Linux whatever address it is given, unless told that this is a laptop's system
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
    }
    late = [name for name, value in wanted.items() if os.environ.get(name) != value and "ray" in sys.modules]
    assert not late, f"ray was imported before {late} could be set"
    os.environ.update(wanted)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.update(_LEAN)
    starting = {  # read by the raylet, each time one is started; the names are Ray's
        "RAY_preload_python_modules": preload,
        "RAY_prestart_worker_first_driver": "0" if preload else "",
        "RAY_enable_worker_prestart": "1" if at_once else "",
    }
    for name, value in starting.items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)  # an earlier sweep of this process wanted it
    os.environ.pop("RAY_ADDRESS", None)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return host.startswith("127.") or host in {"localhost", "::1"}
