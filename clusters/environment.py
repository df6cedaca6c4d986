"""The environment variables that Ray reads once, when it is imported. Imports no ray."""

import os
import secrets
import sys

from clusters.spec import ClusterSpec


def prepare_environment(spec: ClusterSpec, *, preload: str = "", workers: int = 0) -> None:
    """Set what a Ray started here needs. To be called before `ray` is imported for the first time.

    preload: a module that worker processes import as they start. workers: how many start with Ray itself, before
    anything asks for them; Ray's own choice, one for each CPU, would import it many times in vain.
    """
    os.environ.pop("WANDB_SERVICE", None)  # a slot's process must not think that it is a W&B client's child
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    # ray tells of dead workers on our standard output, which is for data; the engine tells of them itself
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "^"
    if spec.address != "local":
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
    preloading = {  # read by the raylet, each time one is started; the names are Ray's
        "RAY_preload_python_modules": preload,
        "RAY_prestart_worker_first_driver": "0",
        "RAY_num_prestart_python_workers": str(workers),
    }
    for name, value in preloading.items():
        if workers:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)  # an earlier sweep of this process wanted it
    os.environ.pop("RAY_ADDRESS", None)
