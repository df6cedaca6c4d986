"""Joins a Ray that runs: as a driver on one of its machines, with our code sent along to the others."""

import logging
import os
import shutil
import socket
from typing import Any, Final

import psutil
import ray

from clusters.code import Code, lay_out
from clusters.errors import ClusterError, ClusterUnreachable
from clusters.node_watch import nodes_now
from clusters.spec import ClusterSpec
from clusters.temporary import temporary_folder

KNOCK_SECONDS: Final = 5.0
"""In which the head accepts a connection. Ray itself would try for minutes."""


def join(spec: ClusterSpec, code: Code) -> tuple[str, int]:
    """Connect to the cluster at `spec.address`; where its head listens. Raises ClusterUnreachable, NoTemporaryFolder."""
    _knock(spec.address)
    _connect(spec, None)
    if spec.code == "send" or (spec.code == "auto" and not _alone()):
        # which nodes there are shows only once we have joined, and what travels has to be said as we join
        ray.shutdown()
        folder = temporary_folder("orch-code-")
        try:
            lay_out(code, folder)
            _connect(spec, {"working_dir": str(folder)})
        except ClusterError as error:
            raise ClusterUnreachable(str(error)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    host, port = ray.get_runtime_context().gcs_address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def _connect(spec: ClusterSpec, runtime_env: dict[str, Any] | None) -> None:
    try:
        ray.init(address=spec.address, runtime_env=runtime_env, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise ClusterUnreachable(f"no Ray answers at {spec.address}: {_last_line(error)}; {_hint()}") from error


def _knock(address: str) -> None:
    if address == "auto":
        return
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterUnreachable(
            f"nothing listens at {address}: {error}; correct the address, or start Ray there (`ray start --head`)"
        ) from error


def _hint() -> str:
    """What is most often wrong: Ray says the same of a token that is missing or wrong as of a head that is gone."""
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return "no token is known here, and a cluster with tokens refuses us: set token_file in the cluster file"
    return "check the token: a wrong one looks the same"


def _alone() -> bool:
    """Whether every node is this machine, where our code lies."""
    here = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return {node.host for node in nodes_now()} <= here


def _last_line(error: Exception) -> str:
    """Ray's own messages bring a traceback along."""
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
