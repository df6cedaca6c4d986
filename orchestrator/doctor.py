"""Whether this machine can run a sweep: each check says what it found and, where that is bad, the fix."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import psutil
from packaging.requirements import Requirement

from clusters.environment import prepare_environment
from clusters.errors import ClusterError, ClusterUnreachable, NoTemporaryFolder
from clusters.nodes import unwritable
from clusters.spec import ClusterSpec
from clusters.temporary import temporary_folder
from orchestrator.errors import OrchError, UserError
from orchestrator.plan.prepare import load_cluster
from orchestrator.store.local_disk import network_of
from orchestrator.wandb.process import has_key, open_key_files
from orchestrator.wandb.settings import wish
from trainables.data.cache import cache_folder
from trainables.errors import DataMissing

if TYPE_CHECKING:
    from clusters.node_watch import Probed

# What `orch doctor` says of one thing that it looked at.


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check has found."""

    about: str
    state: Literal["ok", "note", "problem"]
    """`note`: a sweep runs, with less than it could have. `problem`: it cannot run."""
    found: str
    fix: str | None = None


# Whether a cluster can run a sweep: the cluster file, the token, Ray, and every node.

_SKEW_SECONDS: Final = 5.0


def check_cluster(file: Path | None, *, start_ray: bool) -> Iterator[CheckResult]:
    """The file first; then, where asked to, Ray as it starts here, or as it answers there, and its nodes."""
    try:
        spec = load_cluster(file)
    except UserError as error:
        yield CheckResult("cluster", "problem", str(error), "correct the cluster file; docs/clusters.md has examples")
        return
    if spec.access.submits and _in_the_clear(spec.address):
        fix = "reach it through a tunnel: ssh -N -L 8265:127.0.0.1:8265 HEAD, address: http://127.0.0.1:8265"
        yield CheckResult("token", "note", f"it travels unencrypted to {spec.address}", fix)
    if not start_ray:
        where = "this machine" if spec.access.starts_ray else f"{spec.kind}, {spec.address}"
        yield CheckResult("cluster", "ok", f"{spec.name} ({where}), not tried")
    elif spec.access.submits:
        yield from _head(spec)
    else:
        yield from _joined(spec)


def _in_the_clear(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "http" and not (host.startswith("127.") or host in {"localhost", "::1"})


def _head(spec: ClusterSpec) -> Iterator[CheckResult]:
    """Yield what the doctor says on the head, of itself and of the cluster."""
    from orchestrator.remote.jobs import ask
    from orchestrator.remote.request import CLUSTER

    asked = ["doctor", "--json", "--cluster", CLUSTER, "--results", spec.results]
    try:
        answer = ask(spec, [*asked, *(["--data", spec.data] if spec.data else [])], None)
        said = json.loads(answer.output)["findings"]
    except (OrchError, ValueError) as error:
        yield CheckResult("cluster", "problem", str(error), "check the address, the tunnel, the token, and `python`")
        return
    yield CheckResult("head", "ok", f"{spec.name} at {spec.address} answers and takes jobs")
    for check in said:
        yield CheckResult(f"head: {check['about']}", check["state"], check["found"], check["fix"])


def _joined(spec: ClusterSpec) -> Iterator[CheckResult]:
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
        yield CheckResult("cluster", "ok", found)
        if not spec.access.starts_ray:
            from clusters.node_watch import probe

            for probed in probe(nodes, spec):
                yield from _node(probed, spec)
    except NoTemporaryFolder as error:
        yield CheckResult("cluster", "problem", error.found, error.fix)
    except ClusterUnreachable as error:
        yield CheckResult("cluster", "problem", str(error), spec.access.unreachable)
    except ClusterError as error:
        yield CheckResult("cluster", "problem", str(error), "start the cluster again")
    finally:
        ray.close()


def _node(probed: "Probed", spec: ClusterSpec) -> Iterator[CheckResult]:
    node, state = probed.node, probed.state
    about = f"node {node.host} ({node.node_id[:6]})"
    if state is None:
        fix = "start the node again; it needs the Ray and the Python of this machine"
        yield CheckResult(about, "problem", f"cannot run a task: {probed.failure}", fix)
        return
    problems = []
    if state.torch is None:
        problems.append((f"torch cannot be imported: {state.failure}", "install orch's requirements on it"))
    if not state.data:
        problems.append((f"no data folder {spec.data}", "copy or mount the data there, or correct `data`"))
    if state.cache:
        problems.append((f"nothing can be kept in {state.cache}", "make it writable, or correct `cache`"))
    if state.torch is not None and state.gpus < node.gpus:
        problems.append((f"torch sees {state.gpus} of {node.gpus} GPUs", "install a torch build that fits the driver"))
    for found, fix in problems:
        yield CheckResult(about, "problem", found, fix)
    if probed.skew > _SKEW_SECONDS:
        found = f"its clock is {probed.skew:.0f} s ahead of this machine's"
        yield CheckResult(about, "note", found, "synchronise clocks (chrony): times in the tables are the nodes' own")
    if state.python != platform.python_version():
        yield CheckResult(about, "note", f"Python {state.python}, here {platform.python_version()}", "install the same")
    if not problems:
        offers = f"{node.cpus:g} CPUs, {node.gpus} GPUs, {node.memory_bytes / 2**30:.1f} GiB"
        yield CheckResult(about, "ok", f"{state.host}: {offers}, Python {state.python}, torch {state.torch}")


_SHARED_MEMORY: Final = 256 * 2**20
_MEMORY: Final = 2 * 2**30
_DISK: Final = 2 * 2**30


def examine(cluster: Path | None, data: Path | None, results: Path, *, start_ray: bool) -> Iterator[CheckResult]:
    """Yield all checks, the fast ones first. Starts Ray or joins the cluster's where asked to."""
    yield from check_packages()
    yield check_torch()
    yield from check_machine(results)
    yield from check_cache()
    yield from check_plugins()
    yield from check_data(data)
    yield check_wandb()
    yield from check_cluster(cluster, start_ray=start_ray)


def check_cache() -> Iterator[CheckResult]:
    """Whether decoded data can be kept. Nothing is said where it can."""
    try:
        folder = cache_folder()
        failure = unwritable(str(folder))
    except DataMissing as homeless:
        folder, failure = None, str(homeless)
    if failure:
        where = "" if folder is None else f"nothing can be kept in {folder}: "
        yield CheckResult("cache", "problem", f"{where}{failure}", "set ORCH_CACHE to a folder that you can write to")


def check_packages(distribution: str = "orch-grid") -> Iterator[CheckResult]:
    """Installed versions against the floors that the distribution declares."""
    try:
        wanted = [Requirement(text) for text in requires(distribution) or ()]
    except PackageNotFoundError:
        yield CheckResult("packages", "note", f"{distribution} itself is not installed", "pip install -e .")
        return
    bad = [check for requirement in wanted if (check := _package(requirement)) is not None]
    yield from bad
    if not bad:
        yield CheckResult(
            "packages", "ok", f"{distribution} {version(distribution)} and {len(wanted)} others as required"
        )


def _package(requirement: Requirement) -> CheckResult | None:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return CheckResult(requirement.name, "problem", "not installed", f"pip install '{requirement}'")
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return CheckResult(
        requirement.name, "problem", f"{found}, needed is {requirement.specifier}", f"pip install '{requirement}'"
    )


def check_torch() -> CheckResult:
    """torch, and the GPUs that it can use."""
    try:
        import torch
        import torchvision  # noqa: F401 - two builds that do not fit each other fail here
    except (ImportError, RuntimeError, OSError) as error:
        return CheckResult(
            "torch", "problem", f"cannot be imported: {error}", "pip install --force-reinstall torch torchvision"
        )
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return CheckResult("torch", "ok", f"{torch.__version__}, CUDA {torch.version.cuda}: {', '.join(names)}")
    if shutil.which("nvidia-smi"):
        fix = "install a torch build that fits the driver (pytorch.org), and check CUDA_VISIBLE_DEVICES"
        return CheckResult(
            "torch", "note", f"{torch.__version__} sees no GPU, though this machine has NVIDIA's driver", fix
        )
    return CheckResult("torch", "ok", f"{torch.__version__}, no GPU: trials run on CPUs")


def check_machine(results: Path) -> Iterator[CheckResult]:
    """Processors, memory, shared memory, and the disk that results go to."""
    yield CheckResult("processors", "ok", f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}")
    memory = psutil.virtual_memory()
    yield _enough(
        "memory", memory.available, _MEMORY, "free", "end other programs, or set fewer `cpus` in the cluster file"
    )
    shared = Path("/dev/shm")  # noqa: S108 - the kernel's shared memory itself # nosec B108
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        yield _enough(str(shared), free, _SHARED_MEMORY, "free", "in a container: docker run --shm-size=1g")
    folder = _existing(results)
    if not os.access(folder, os.W_OK):
        yield CheckResult(
            "results", "problem", f"{folder} cannot be written to", "use --results with a folder of your own"
        )
    yield _enough("disk", shutil.disk_usage(folder).free, _DISK, f"free at {folder}", "make room, or use --results")
    if (kind := network_of(folder)) is not None:
        fix = "nothing to do; a local --results is safer against a power cut between two exports"
        found = f"{folder} is on a network file system ({kind}): the journal is kept on local disk and copied"
        yield CheckResult("file system", "note", found, fix)


def _enough(about: str, found: int, least: int, words: str, fix: str) -> CheckResult:
    text = f"{found / 2**30:.1f} GiB {words}"
    return CheckResult(about, "ok", text) if found >= least else CheckResult(about, "note", text, fix)


def check_plugins() -> Iterator[CheckResult]:
    """Every component, built in or from a plug-in, can be imported."""
    from trainables import KINDS
    from trainables.errors import BrokenComponent
    from trainables.registry import registry

    working = 0
    for kind in KINDS:
        for name in registry.names(kind):
            try:
                registry.get(kind, name)
                working += 1
            except (BrokenComponent, ImportError) as error:
                fix = "repair the plug-in, or uninstall the package that provides it"
                yield CheckResult(f"{kind} {name}", "problem", f"cannot be used: {error}", fix)
    yield CheckResult("components", "ok", f"{working} can be used; `orch list` shows them")


def check_wandb() -> CheckResult:
    """Whether there is a key, and who can read it; never the key."""
    if others := open_key_files():
        return CheckResult("W&B", "note", *others[0].split("; ", 1))
    if (against := wish()) is not None:
        return CheckResult("W&B", "note", against.message, "remove it if sweeps are to send")
    if has_key():
        return CheckResult("W&B", "ok", "there is a key: runs are sent online (wandb: {mode: auto})")
    return CheckResult("W&B", "note", "no key: runs are written offline", "wandb login, or set WANDB_API_KEY")


def check_data(data: Path | None) -> Iterator[CheckResult]:
    """The data folder, and which of the known sets lie in it."""
    if data is None:
        fix = "set ORCH_DATA or use --data, unless your grid names folders of its own"
        yield CheckResult("data", "note", "no data folder is set; `digits` needs none", fix)
        return
    if not data.is_dir():
        yield CheckResult("data", "problem", f"{data} is not a folder", "create it, or correct --data or ORCH_DATA")
        return
    yield from _known_sets(data)


def _known_sets(data: Path) -> Iterator[CheckResult]:
    """The data sets that need no parameter: they are looked for under names of their own."""
    from trainables.dataset import DataLocation, Dataset
    from trainables.errors import BrokenComponent, DataError
    from trainables.registry import registry

    try:
        cache = temporary_folder("orch-cache-")
    except NoTemporaryFolder as error:
        yield CheckResult("temporary files", "problem", error.found, error.fix)
        return
    try:
        location = DataLocation(data=data, beside=None, cache=cache)
        for name in registry.names("dataset"):
            try:
                component = registry.get("dataset", name)
                if not issubclass(component, Dataset) or any(f.is_required() for f in component.model_fields.values()):
                    continue
                info = component().described(location)
            except BrokenComponent:
                continue  # check_plugins has told of it
            except DataError as error:
                yield CheckResult(f"data: {name}", "note", "not there", str(error))
            else:
                yield CheckResult(f"data: {name}", "ok", f"{len(info.classes)} classes of shape {info.shape}")
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _existing(path: Path) -> Path:
    """The path, or the folder in which it would be made."""
    path = path.resolve()
    return path if path.is_dir() else next(parent for parent in path.parents if parent.is_dir())
