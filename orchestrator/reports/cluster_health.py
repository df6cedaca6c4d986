"""Whether a cluster can run a sweep: the cluster file, the token, Ray, and every node."""

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from clusters.environment import prepare_environment
from clusters.errors import ClusterError, ClusterUnreachable, NoTemporaryFolder
from clusters.spec import ClusterSpec
from orchestrator.errors import OrchError, UserError
from orchestrator.reaching import cluster_of
from orchestrator.reports.finding import Finding

if TYPE_CHECKING:
    from clusters.probe import Probed

_SKEW_SECONDS: Final = 5.0


def check_cluster(file: Path | None, *, start_ray: bool) -> Iterator[Finding]:
    """The file first; then, where asked to, Ray as it starts here, or as it answers there, and its nodes."""
    try:
        spec = cluster_of(file)
    except UserError as error:
        yield Finding("cluster", "problem", str(error), "correct the cluster file; docs/clusters.md has examples")
        return
    if spec.kind == "jobs" and _in_the_clear(spec.address):
        fix = "reach it through a tunnel: ssh -N -L 8265:127.0.0.1:8265 HEAD, address: http://127.0.0.1:8265"
        yield Finding("token", "note", f"it travels unencrypted to {spec.address}", fix)
    if not start_ray:
        yield Finding("cluster", "ok", f"{spec.name} ({spec.kind}, {spec.address}), not tried")
    elif spec.kind == "jobs":
        yield from _head(spec)
    else:
        yield from _joined(spec)


def _in_the_clear(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (host.startswith("127.") or host in {"localhost", "::1"})


def _head(spec: ClusterSpec) -> Iterator[Finding]:
    """What the doctor says on the head, of itself and of the cluster."""
    from orchestrator.remote.calls import ask
    from orchestrator.remote.request import CLUSTER

    asked = ["doctor", "--json", "--cluster", CLUSTER, "--results", spec.results]
    try:
        answer = ask(spec, [*asked, *(["--data", spec.data] if spec.data else [])], None)
        said = json.loads(answer.output)["findings"]
    except (OrchError, ValueError) as error:
        yield Finding("cluster", "problem", str(error), "check the address, the tunnel, the token, and `python`")
        return
    yield Finding("head", "ok", f"{spec.name} at {spec.address} answers and takes jobs")
    for finding in said:
        yield Finding(f"head: {finding['about']}", finding["state"], finding["found"], finding["fix"])


def _joined(spec: ClusterSpec) -> Iterator[Finding]:
    prepare_environment(spec)
    from clusters.ray_cluster import RayCluster
    from orchestrator.engine.code import CODE

    ray = RayCluster(spec, CODE)
    try:
        ray.open()
        nodes = ray.nodes
        cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        memory = sum(node.memory_bytes for node in nodes) / 2**30
        found = (
            f"{spec.name}: Ray offers {cpus:g} CPUs, {gpus} GPUs and {memory:.1f} GiB of memory on {len(nodes)} nodes"
        )
        yield Finding("cluster", "ok", found)
        if spec.kind == "attach":
            from clusters.probe import probe

            for probed in probe(nodes, spec):
                yield from _node(probed, spec)
    except NoTemporaryFolder as error:
        yield Finding("cluster", "problem", error.found, error.fix)
    except ClusterUnreachable as error:
        fix = "free memory and /dev/shm" if spec.kind == "local" else "check the address, the firewall and the token"
        yield Finding("cluster", "problem", str(error), fix)
    except ClusterError as error:
        yield Finding("cluster", "problem", str(error), "start the cluster again")
    finally:
        ray.close()


def _node(probed: "Probed", spec: ClusterSpec) -> Iterator[Finding]:
    node, state = probed.node, probed.state
    about = f"node {node.host} ({node.node_id[:6]})"
    if state is None:
        fix = "start the node again; it needs the Ray and the Python of this machine"
        yield Finding(about, "problem", f"cannot run a task: {probed.trouble}", fix)
        return
    problems = []
    if state.torch is None:
        problems.append((f"torch cannot be imported: {state.trouble}", "install orch's requirements on it"))
    if not state.data:
        problems.append((f"no data folder {spec.data}", "copy or mount the data there, or correct `data`"))
    if state.cache:
        problems.append((f"nothing can be kept in {state.cache}", "make it writable, or correct `cache`"))
    if state.torch is not None and state.gpus < node.gpus:
        problems.append((f"torch sees {state.gpus} of {node.gpus} GPUs", "install a torch build that fits the driver"))
    for found, fix in problems:
        yield Finding(about, "problem", found, fix)
    if probed.skew > _SKEW_SECONDS:
        found = f"its clock is {probed.skew:.0f} s ahead of this machine's"
        yield Finding(about, "note", found, "synchronise clocks (chrony): times in the tables are the nodes' own")
    if state.python != platform.python_version():
        yield Finding(about, "note", f"Python {state.python}, here {platform.python_version()}", "install the same")
    if not problems:
        offers = f"{node.cpus:g} CPUs, {node.gpus} GPUs, {node.memory_bytes / 2**30:.1f} GiB"
        yield Finding(about, "ok", f"{state.host}: {offers}, Python {state.python}, torch {state.torch}")
