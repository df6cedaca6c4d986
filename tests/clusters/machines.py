"""A Ray of several machines, as a process: a head with its dashboard, and raylets that stand for other machines.

    python machines.py FOLDER NODES

Every listener is on loopback. The token is in FOLDER/token; FOLDER/ready holds the ports once all is up. A line on standard
input adds a raylet, the end of it ends everything.
"""

import json
import os
import socket
import sys
from pathlib import Path

folder, count = Path(sys.argv[1]), int(sys.argv[2])
os.environ |= {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray would listen on all interfaces
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TMPDIR": str(folder),  # also for its note of the cluster's address: /tmp/ray may be another's, or missing
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": (folder / "token").read_text(),
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}

from ray.cluster_utils import Cluster  # noqa: E402 - Ray reads its environment when it is imported


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


ports = {"gcs": free_port(), "dashboard": free_port()}
cluster = Cluster()
common = {"object_store_memory": 100 * 2**20, "min_worker_port": 0, "max_worker_port": 0}


def add(*, head: bool) -> None:
    of_head = (
        {
            "gcs_server_port": ports["gcs"],
            "include_dashboard": True,
            "dashboard_host": "127.0.0.1",
            "dashboard_port": ports["dashboard"],
        }
        if head
        else {}
    )
    cluster.add_node(
        node_ip_address="127.0.0.1", num_cpus=1, dashboard_agent_listen_port=free_port(), **common, **of_head
    )


for number in range(count):
    add(head=number == 0)
(folder / "ready.part").write_text(json.dumps(ports))
(folder / "ready.part").rename(folder / "ready")
for _ in sys.stdin:
    add(head=False)
cluster.shutdown()
